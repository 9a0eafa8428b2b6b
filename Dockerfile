# One image, non-root; the argument chooses the program: policy, approvals, reservations, executor, audit,
# or a one-shot job: prepare-database, create-topics.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci --no-audit --no-fund && node tools/build.mjs && npm prune --omit=dev && rm -rf .cache test docs

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build --chown=root:root /app /app
RUN mkdir /secrets && chown node:node /secrets
USER node
ENV NODE_OPTIONS=--max-semi-space-size=32
ENTRYPOINT ["node", "tools/entry.mjs"]
