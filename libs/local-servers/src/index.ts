export * from './local-server-errors.js';
export { startEmbeddedPostgres, type EmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded-postgres.js';
export { removePostgresData } from './postgres-home.js';
export { startLocalKafka, type LocalKafka, type LocalKafkaOptions } from './kafka.js';
export { defaultKafkaCache, ensureKafkaJars, kafkaPrerequisite } from './kafka-jars.js';
export { startSmtpSink, type MailBehaviour, type SmtpSink } from './smtp-sink.js';
export type { ReceivedMail } from './received-mail.js';
export { startHttpTool, type HttpTool, type ToolBehaviour, type ToolEffect, type ToolRequest } from './http-tool.js';
export { startSlackWorkspace, type SlackAnswer, type SlackBehaviour, type SlackBlock, type SlackGesture, type SlackMessage, type SlackView, type SlackWorkspace } from './slack-workspace.js';
