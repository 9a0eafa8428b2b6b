import 'reflect-metadata';
import { Controller, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** The same exchange on the same framework, with nothing decided: reads the body, answers at once. */
@Controller('v1')
class EmptyHttp {
  @Post('reservations')
  @HttpCode(201)
  answer(): object {
    return { reservation_id: '00000000-0000-7000-8000-000000000000', status: 'held' };
  }
}

@Module({ controllers: [EmptyHttp] })
class EmptyModule {}

const app = await NestFactory.create<NestFastifyApplication>(EmptyModule, new FastifyAdapter({ logger: false }), { logger: false });
await app.listen(0, '127.0.0.1');
console.log(await app.getUrl());
