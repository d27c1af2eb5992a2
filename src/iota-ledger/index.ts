import type { Logger } from '../interface/index.ts'

export interface IotaLedgerInit {
  /** @default a free port */
  port?: number
  /** Journal that keeps the ledger between runs. @default none */
  file?: string
  /** Until an accepted transaction is carried out, ms. @default 0 */
  finalityMs?: number
  /** For how long nobody is told of a transaction that was carried out, ms: a node that lags behind. @default 0 */
  lagMs?: number
  /** Length of an epoch, ms: locks end with it, and transactions may expire. @default a day, as on the real network */
  epochMs?: number
  logger: Logger
}

export interface IotaLedger {
  /** JSON-RPC. */
  readonly url: string
  readonly faucetUrl: string
  readonly chainIdentifier: string
  /** Gives an account a new coin; nanos. Resolves with the coin's ID when it is on the disk. */
  mint: (owner: string, amount: bigint) => Promise<string>
  /** All coins and what they lock, nanos. */
  supply: () => bigint
  close: () => Promise<void>
}

const DAY_MS = 86_400_000

/**
 * A ledger of coins on this machine that the IOTA SDK's client cannot tell from a node: for development, tests and the demo.
 * Its limits are in README.md.
 *
 * @example
 * ```ts
 * const ledger = await startIotaLedger({ logger })
 * const client = new IotaClient({ url: ledger.url })
 * await ledger.close()
 * ```
 *
 * @throws DdmError `portInUse`, `config` (a journal that is none)
 */
export async function startIotaLedger(init: IotaLedgerInit): Promise<IotaLedger> {
  const { serve } = await import('./server.ts')
  const { port = 0, file, finalityMs = 0, lagMs = 0, epochMs = DAY_MS, logger } = init
  const { url, ledger, close } = await serve({ port, file, finalityMs, lagMs, epochMs, logger })
  return {
    url,
    faucetUrl: url,
    chainIdentifier: ledger.chainIdentifier,
    mint: async (owner, amount) => (await ledger.mint(owner, amount)).id,
    supply: () => ledger.supply,
    close
  }
}
