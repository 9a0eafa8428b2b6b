import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { PgEventStore } from '@exequatur/event-store';
import { ExequaturStrategy, Inbox } from '@exequatur/messaging';
import { ServiceConfig } from '../config/service-config.js';
import { Database } from '../database/database.js';
import { Admission } from '../http/admission.js';
import { Idempotency } from '../idempotency/idempotency.js';
import { IdempotentRequests } from '../idempotency/run-idempotent.js';
import { DirectoryController } from '../identity/directory.controller.js';
import { Directory } from '../identity/directory.js';
import { ProviderTokens } from '../identity/provider-tokens.js';
import { Signer } from '../identity/signer.js';
import { Health } from '../observability/health.js';
import { ServiceMetrics } from '../observability/metrics.js';
import { OpenApi } from '../openapi/open-api.js';
import { PlatformController } from './platform.controller.js';
import type { Platform } from './platform.js';
import { CLOCK, KEY_STORE, LOGGER, TRANSPORT } from './tokens.js';

const providersOf = (platform: Platform): Provider[] => [
  { provide: ServiceConfig, useValue: platform.config },
  // Also under its own class, so that an app injects its own fields.
  { provide: platform.config.constructor as new () => unknown, useValue: platform.config },
  { provide: Database, useValue: platform.database },
  { provide: PgEventStore, useValue: platform.store },
  { provide: Inbox, useValue: platform.inbox },
  { provide: ExequaturStrategy, useValue: platform.strategy },
  { provide: Signer, useValue: platform.signer },
  { provide: Directory, useValue: platform.directory },
  { provide: ProviderTokens, useValue: platform.providerTokens },
  { provide: Idempotency, useValue: platform.idempotency },
  { provide: IdempotentRequests, useValue: platform.idempotentRequests },
  { provide: Admission, useValue: platform.admission },
  { provide: Health, useValue: platform.health },
  { provide: ServiceMetrics, useValue: platform.metrics },
  { provide: OpenApi, useValue: platform.openApi },
  { provide: KEY_STORE, useValue: platform.keyStore },
  { provide: TRANSPORT, useValue: platform.transport },
  { provide: CLOCK, useValue: platform.clock },
  { provide: LOGGER, useValue: platform.log },
];

/** Makes the platform injectable everywhere in one app. */
@Module({})
export class PlatformModule {
  static of(platform: Platform): DynamicModule {
    const providers = providersOf(platform);
    const keepsDirectory = (platform.definition.directory ?? 'topic') === 'topic';
    return {
      module: PlatformModule,
      global: true,
      imports: [DiscoveryModule],
      controllers: [PlatformController, ...(keepsDirectory ? [DirectoryController] : [])],
      providers,
      exports: providers,
    };
  }
}

/** Root of one app: the platform and the service's own module. */
@Module({})
export class ServiceRoot {
  static of(platform: Platform): DynamicModule {
    return { module: ServiceRoot, imports: [PlatformModule.of(platform), platform.definition.module] };
  }
}
