import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort, programOrSkip, type RunningServer, startServer } from './server.ts'
import { tempDir } from './temp-dir.ts'

export interface NatsServerOptions {
  /** Users and their passwords. @default everybody may come */
  users?: Record<string, string>
  /** @default true */
  jetstream?: boolean
  port?: number
}

/**
 * A NATS server with JetStream that keeps its streams when it is stopped by SIGTERM: it acknowledges messages some
 * milliseconds before they are in its files. Undefined after the test was skipped.
 */
export async function startNatsServer(
  t: Pick<TestContext, 'after' | 'skip'>,
  options: NatsServerOptions = {}
): Promise<RunningServer | undefined> {
  const command = programOrSkip(t, 'nats-server')
  if (command === undefined) return undefined
  const { users, jetstream = true, port = await freePort() } = options
  const folder = await tempDir(t)
  const config = {
    listen: `127.0.0.1:${port}`,
    ...(jetstream ? { jetstream: { store_dir: folder } } : {}),
    ...(users === undefined
      ? {}
      : { authorization: { users: Object.entries(users).map(([user, password]) => ({ user, password })) } })
  }
  const file = join(folder, 'nats.conf')
  // Its configuration language takes JSON.
  await writeFile(file, JSON.stringify(config))
  return startServer(t, { command, arguments: ['-c', file], port })
}
