import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { createHome } from '../../src/node/home.ts'
import { createLogger } from '../../src/node/logger.ts'
import { createNetwork, type Network, type NetworkInit } from '../../src/node/network.ts'
import { peerFile } from '../support/peer-file.ts'
import type { PeerCall, PeerInit } from './network-peer.ts'

export const LOOPBACK = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']

/** A home that is removed only after what uses it has ended. */
async function homeFor(): Promise<{ home: string; remove: () => Promise<void> }> {
  const home = await mkdtemp(join(tmpdir(), 'ddm-test-'))
  return { home, remove: () => rm(home, { recursive: true, force: true }) }
}

/** A node in this process; stopped when the test ends. */
export async function startNetwork(t: TestContext, init: Partial<NetworkInit> = {}): Promise<Network> {
  const { home, remove } = await homeFor()
  const network = await createNetwork({
    identity: await generateKeyPair('Ed25519'),
    paths: await createHome(home),
    role: 'full',
    logger: createLogger({ level: 'error' }),
    listen: LOOPBACK,
    connections: { inboundPerSecond: 1_000 },
    ...init
  }).catch(async (error: unknown) => {
    await remove()
    throw error
  })
  t.after(async () => {
    await network.stop()
    await remove()
  })
  return network
}

export interface Peer {
  child: ChildProcess
  peerId: string
  addresses: string[]
  call: <T = unknown>(method: PeerCall['method'], argument?: string) => Promise<T>
}

/** A node in a process of its own; killed when the test ends. */
export async function spawnPeer(t: TestContext, init: Partial<PeerInit> = {}): Promise<Peer> {
  const child = fork(peerFile('./network-peer.ts', import.meta.url), { stdio: 'inherit' })
  const exited = once(child, 'exit')
  const { home, remove } = await homeFor()
  t.after(async () => {
    child.kill('SIGKILL')
    await exited
    await remove()
  })
  const identity = Buffer.from((await generateKeyPair('Ed25519')).raw).toString('hex')
  child.send({ home, identity, role: 'full', listen: LOOPBACK, ...init })
  const [hello] = (await once(child, 'message')) as [{ peerId: string; addresses: string[]; error?: unknown }]
  if (hello.error !== undefined) throw new Error(JSON.stringify(hello.error))
  let calls = 0
  const call = async <T>(method: PeerCall['method'], argument?: string): Promise<T> => {
    const id = ++calls
    const answered = new Promise<T>((resolve, reject) => {
      const listen = (answer: { id: number; result: T; error?: { message: string } }): void => {
        if (answer.id !== id) return
        child.off('message', listen)
        if (answer.error === undefined) resolve(answer.result)
        else reject(new Error(answer.error.message))
      }
      child.on('message', listen)
      child.once('exit', () => reject(new Error(`the peer ended during ${method}`)))
    })
    child.send({ id, method, args: argument === undefined ? [] : [argument] } satisfies PeerCall)
    return answered
  }
  return { child, peerId: hello.peerId, addresses: hello.addresses, call }
}

/** Polls until the condition holds; a test that waits in vain fails with what it waited for. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`)
    await sleep(20)
  }
}
