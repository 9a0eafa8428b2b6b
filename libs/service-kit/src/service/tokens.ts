/** Injection tokens of what has no class of its own. Everything else is injected by its class. */
/** `KeyStore` of libs/sealing. */
export const KEY_STORE = Symbol('exequatur:key-store');
/** `Clock` of libs/kernel. */
export const CLOCK = Symbol('exequatur:clock');
/** `Transport` of libs/messaging, for what is no event consumer: the intake topic, the audit projector's raw bytes. */
export const TRANSPORT = Symbol('exequatur:transport');
/** `pino` Logger of this service, redacting. */
export const LOGGER = Symbol('exequatur:logger');
/** `PageSessions`, provided by the app that has pages. */
export const PAGE_SESSIONS = Symbol('exequatur:page-sessions');
