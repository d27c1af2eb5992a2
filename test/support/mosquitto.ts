import { execFile } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import mqtt from 'mqtt'
import { freePort, programOrSkip, type RunningServer, startServer } from './server.ts'
import { tempDir } from './temp-dir.ts'

const run = promisify(execFile)

export interface MosquittoOptions {
  /** Users and their passwords. @default everybody may come */
  users?: Record<string, string>
  /** Lines of its access list. @default everything is allowed */
  acl?: string[]
  /** Nobody may subscribe: only the plugin that Debian ships with the broker says so, its access list never does. */
  refuseSubscriptions?: boolean
  port?: number
}

/**
 * A broker that keeps its sessions when it is stopped by SIGTERM: it acknowledges messages before they are on its disk,
 * so SIGKILL may lose some that nobody else has. Undefined after the test was skipped.
 */
export async function startMosquitto(
  t: Pick<TestContext, 'after' | 'skip'>,
  options: MosquittoOptions = {}
): Promise<RunningServer | undefined> {
  const command = programOrSkip(t, 'mosquitto')
  if (command === undefined) return undefined
  const { users, acl, refuseSubscriptions = false, port = await freePort() } = options
  const folder = await tempDir(t)
  await chmod(folder, 0o755)
  const config = [
    `listener ${port} 127.0.0.1`,
    'persistence true',
    `persistence_location ${folder}/`,
    'max_queued_messages 0',
    'user root',
    `allow_anonymous ${users === undefined}`
  ]
  if (users !== undefined) {
    const file = join(folder, 'passwords')
    await writeFile(file, '')
    for (const [user, password] of Object.entries(users)) await run('mosquitto_passwd', ['-b', file, user, password])
    config.push(`password_file ${file}`)
  }
  if (acl !== undefined) {
    await writeFile(join(folder, 'acl'), `${acl.join('\n')}\n`)
    config.push(`acl_file ${join(folder, 'acl')}`)
  }
  if (refuseSubscriptions) {
    const rules = { publishClientSend: true, publishClientReceive: true, subscribe: false, unsubscribe: true }
    await writeFile(join(folder, 'security.json'), JSON.stringify({ defaultACLAccess: rules }))
    const plugin = (await run('find', ['/usr/lib', '-name', 'mosquitto_dynamic_security.so'])).stdout.trim()
    config.push(`plugin ${plugin}`, `plugin_opt_config_file ${join(folder, 'security.json')}`)
  }
  const file = join(folder, 'mosquitto.conf')
  await writeFile(file, `${config.join('\n')}\n`)
  return startServer(t, { command, arguments: ['-c', file], port })
}

/** Subscribes, and leaves: from now on the broker keeps what comes for a client with this ID. */
export async function keepSession(
  port: number,
  clientId: string,
  topic: string,
  protocolVersion: 4 | 5
): Promise<void> {
  const client = await mqtt.connectAsync({
    port,
    host: '127.0.0.1',
    protocolVersion,
    clientId,
    clean: false,
    ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 3_600 } } : {})
  })
  await client.subscribeAsync(topic, { qos: 1 })
  await client.endAsync()
}
