export { policyService } from './policy-service.js';
export { INTAKE_AUDIENCE, INTAKE_JWS_TYPE } from './intake/intake-message.js';
