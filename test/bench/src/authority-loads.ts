import type { BenchTenant } from './bench-tenant.js';
import { budgetLifecycle, lifecycle } from './authority.js';
import type { Grant } from './authority.js';

/** One lifecycle of a client; calls `reserved` when the first half is answered. */
export type Round = (client: number, reserved: () => void) => Promise<void>;

export const SPREAD = 1_000;
export const HOT = 'hot';
export const EMPTY = 'empty';
export const spreadApp = (nth: number): string => `spread-${nth}`;
export const TREE = ['workspace:sales', 'app:outreach', 'agent:bench'] as const;

/** Budget only, on the app that `next` names: the same exchange as any budget authority has. */
export const budgetLoad = (setting: BenchTenant, next: (turn: number) => string): Round => {
  let turn = 0;
  return (_, reserved) => budgetLifecycle(setting, { app: next((turn += 1)) }, reserved);
};

/** 80 % of the load on a fifth of the budgets; the same sequence in every run. */
export const zipf = (turn: number): string => {
  const draw = (turn * 2_654_435_761) % 2 ** 32;
  const place = Math.floor(draw / 5) % (SPREAD / 5);
  return spreadApp(draw % 5 === 0 ? SPREAD / 5 + (draw % ((SPREAD * 4) / 5)) : place);
};

/** Charges the tenant's, the workspace's, the app's and the agent's budget. */
export const treeLoad =
  (setting: BenchTenant): Round =>
  (_, reserved) =>
    budgetLifecycle(setting, { workspace: 'sales', app: 'outreach', agent: 'bench' }, reserved);

/** The most a policy may give a grant. */
const USES = 10_000;

/** Grant, policy, budget and a signed token: what governs an action. Each client uses up its own grants. */
export const governedLoad =
  (setting: BenchTenant, grants: readonly Grant[], clients: number): Round =>
  (client, reserved) => {
    for (let nth = client; nth < grants.length; nth += clients) {
      const grant = grants[nth];
      if (grant !== undefined && grant.used < USES) return lifecycle(setting, grant, reserved);
    }
    throw new Error(`client ${client} has used up its grants`);
  };

/** Every second reserve asks a budget of zero, and is refused. */
export const refusedLoad = (setting: BenchTenant): Round => {
  let turn = 0;
  return async (_, reserved) => {
    turn += 1;
    if (turn % 2 === 0) return budgetLifecycle(setting, { app: HOT }, reserved);
    await budgetLifecycle(setting, { app: EMPTY }, reserved).then(
      () => {
        throw new Error('a budget of zero gave something');
      },
      (error: unknown) => {
        if (!String(error).includes('BUDGET_EXCEEDED')) throw error;
      },
    );
  };
};

/** Every request is sent twice at once. */
export const twiceLoad = (setting: BenchTenant): Round => {
  const twice: BenchTenant = {
    ...setting,
    wire: {
      ...setting.wire,
      post: async (path, body, credential, key) => {
        const [first, second] = await Promise.all([setting.wire.post<never>(path, body, credential, key), setting.wire.post<never>(path, body, credential, key)]);
        // Both answers are one reservation, or the authority gave twice.
        if (JSON.stringify(idOf(first)) !== JSON.stringify(idOf(second))) throw new Error('one key, two answers');
        return first;
      },
    },
  };
  return (_, reserved) => budgetLifecycle(twice, { app: HOT }, reserved);
};

const idOf = (answer: { readonly reservation_id?: string }): string | undefined => answer.reservation_id;
