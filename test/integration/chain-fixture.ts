import type { TestContext } from 'node:test'
import {
  type Chain,
  connectChain,
  type DevAccount,
  deployContracts,
  devAccounts,
  type LocalChain,
  type LocalChainInit,
  startLocalChain
} from '../../src/chain/index.ts'
import type { Hex, Logger, NetworkProfile } from '../../src/interface/index.ts'

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export interface Market {
  local: LocalChain
  profile: NetworkProfile
  accounts: DevAccount[]
  /** Connects as dev account `index`; closed when the test ends. */
  connectAs: (index: number, changes?: Partial<NetworkProfile['chain']>) => Promise<Chain>
  /** A raw request, for what only a dev node can do. */
  rpc: <T>(method: string, params?: unknown[]) => Promise<T>
}

/** A local chain with all contracts, gone when the test is. */
export async function startMarket(t: TestContext, init: LocalChainInit = {}): Promise<Market> {
  const local = await startLocalChain(init)
  t.after(() => local.close())
  const accounts = await devAccounts()
  const profile = await deployContracts({
    rpcUrl: local.rpcUrl,
    privateKey: accountAt(accounts, 0).privateKey,
    name: 'test',
    dev: true,
    logger: silent
  })
  return {
    local,
    profile,
    accounts,
    connectAs: async (index, changes = {}) => {
      const chain = await connectChain({
        profile: { ...profile, chain: { ...profile.chain, ...changes } },
        wallet: { account: accountAt(accounts, index).address, privateKey: accountAt(accounts, index).privateKey },
        logger: silent
      })
      t.after(() => chain.close())
      return chain
    },
    rpc: (method, params) => rpcCall(local.rpcUrl, method, params)
  }
}

export function accountAt(accounts: DevAccount[], index: number): DevAccount {
  const account = accounts[index]
  if (account === undefined) throw new Error(`there are only ${accounts.length} dev accounts`)
  return account
}

export async function rpcCall<T>(url: string, method: string, params: unknown[] = []): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  })
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } }
  if (error !== undefined) throw new Error(`${method}: ${error.message}`)
  return result
}

export function bytes32(value: number | bigint): Hex {
  return `0x${value.toString(16).padStart(64, '0')}`
}

/** A listing to post. */
export function entry(salt: number, manifest = 1) {
  return {
    salt: bytes32(salt),
    manifest: bytes32(manifest),
    token: '0x00000000000000000000000000000000000000cc',
    unitPrice: 100n,
    unit: 0,
    terms: '0x'
  } as const
}

/** Waits until `probe` gives something; fails with what was awaited. */
export async function eventually<T>(what: string, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const value = await probe()
    if (value !== undefined && value !== false) return value
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
