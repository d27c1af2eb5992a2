import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { peerFile } from '../support/peer-file.ts'
import { type Network, startNetwork } from './cli-process.ts'

const PEER = fileURLToPath(peerFile('./wind-peer.ts', import.meta.url))

/** A network, and sellers of the same wind that are processes of their own. */
export interface WindMarket {
  network: Network
  /** ID of the listing. */
  start: (name: string, price: string, kind?: 'good' | 'bad') => Promise<string>
  end: (name: string, signal: 'SIGTERM' | 'SIGKILL') => Promise<void>
  /** It stays connected, and neither sends nor answers until it goes on. */
  freeze: (name: string) => void
  thaw: (name: string) => void
  close: () => Promise<void>
}

export async function startWindMarket(): Promise<WindMarket> {
  const network = await startNetwork()
  const sellers = new Map<string, ChildProcess>()
  process.once('exit', () => {
    for (const child of sellers.values()) child.kill('SIGKILL')
  })
  const end: WindMarket['end'] = async (name, signal) => {
    const child = sellers.get(name)
    sellers.delete(name)
    if (child === undefined || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return {
    network,
    start: async (name, price, kind = 'good') => {
      const args = [PEER, join(network.folder, name), network.profile, `${name} wind`, price, kind]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      sellers.set(name, child)
      const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
      const ended = once(child, 'exit').then(() => {
        throw new Error(`${name} ended before it sold anything`)
      })
      ended.catch(() => {})
      const [listing] = (await Promise.race([once(lines, 'line'), ended])) as [string]
      return listing
    },
    end,
    freeze: (name) => sellers.get(name)?.kill('SIGSTOP'),
    thaw: (name) => sellers.get(name)?.kill('SIGCONT'),
    close: async () => {
      await Promise.all([...sellers.keys()].map((name) => end(name, 'SIGTERM')))
      await network.close()
    }
  }
}
