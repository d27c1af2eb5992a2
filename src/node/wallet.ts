import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { assetId, type Chain, connectChain, defaultToken } from '../chain/index.ts'
import {
  type AbortOptions,
  type Address,
  type Currency,
  DdmError,
  type Hex,
  iotaAssetId,
  type NetworkProfile,
  parseUnits,
  type SpendingStore
} from '../interface/index.ts'
import { type BudgetLimits, openIotaReader } from '../payments/index.ts'
import { type Ledger, openLedger } from '../storage/index.ts'
import { loadConfig, type NodeConfig, type TextSetting } from './config.ts'
import { writeFileAtomic } from './files.ts'
import { type HomePaths, homePaths } from './home.ts'
import { evmKey, generateEvmSecret } from './keys/evm-key.ts'
import { readPublicPart } from './keys/key-file.ts'
import { createLogger } from './logger.ts'
import { loadProfile, withOverrides } from './settings.ts'
import type { NodeInit } from './types.ts'

/** Caps of a wallet in atomic units. */
export interface WalletBudget extends Required<BudgetLimits> {
  /** Most that is locked with one seller. */
  deposit: bigint
  /** Peer IDs of the only sellers that are paid; none: everybody. */
  sellers: readonly string[]
}

/** What a wallet has, spent and may spend. Amounts in atomic units, coins in wei. */
export interface WalletStatus {
  account: Address
  frozen: boolean
  native: bigint
  token: bigint
  symbol: string
  decimals: number
  /** Signed for, or reserved by sessions under way, in the last hour and the last 24 hours. */
  spent: { hour: bigint; day: bigint }
  budget: WalletBudget
  /** Longest withdraw delay accepted from a seller, ms. */
  maxWithdrawDelay: number
  /** Where the network has that rail. Nanos; the caps above hold here too, in whole IOTA. */
  iota?: { account: Hex; balance: bigint; spent: { hour: bigint; day: bigint } }
}

const HOUR = 3_600_000

export function budgetOf(config: NodeConfig, { decimals }: Currency): WalletBudget {
  const units = (name: TextSetting): bigint => parseUnits(config[name], decimals, name)
  return {
    perRecord: units('budgetPerRecord'),
    perSession: units('budgetPerSession'),
    perSeller: units('budgetPerSeller'),
    perHour: units('budgetPerHour'),
    perDay: units('budgetPerDay'),
    deposit: units('budgetDeposit'),
    sellers: config.budgetSellers
  }
}

/**
 * Looked at before every signature, so that a node that runs notices what another process wrote. Whatever keeps it from
 * looking counts as frozen.
 */
export function isFrozen({ frozen }: Pick<HomePaths, 'frozen'>): boolean {
  try {
    return statSync(frozen, { throwIfNoEntry: false }) !== undefined
  } catch {
    return true
  }
}

/** Durable when it resolves; a thaw that is lost with the power leaves the wallet frozen. */
export async function setFrozen({ frozen }: Pick<HomePaths, 'frozen'>, on: boolean): Promise<void> {
  if (on) await writeFileAtomic(frozen, `frozen since ${new Date().toISOString()}\n`)
  else await rm(frozen, { force: true })
}

/** Freezes or thaws the wallet of a home, whether or not a node runs on it; resolves with its account. */
export async function freezeWallet(home: string, on: boolean): Promise<Address> {
  const paths = homePaths(home)
  const account = await accountOf(paths)
  await setFrozen(paths, on)
  return account
}

export interface WalletComponents {
  paths: Pick<HomePaths, 'frozen'>
  config: NodeConfig
  profile: NetworkProfile
  ledger: Pick<Ledger, 'book'>
  chain: Pick<Chain, 'nativeBalance' | 'tokenBalance'>
  account: Address
  iota?: { account: Hex; balance: (options?: AbortOptions) => Promise<bigint> } | undefined
}

export async function walletStatus(components: WalletComponents, options?: AbortOptions): Promise<WalletStatus> {
  const { paths, config, profile, ledger, chain, account, iota } = components
  const { symbol, decimals } = defaultToken(profile)
  const { spending } = ledger.book(assetId(profile))
  const now = Date.now()
  const [native, held, spent] = await Promise.all([
    chain.nativeBalance(account, options),
    chain.tokenBalance(account, options),
    spentOf(spending, now, options)
  ])
  return {
    account,
    frozen: isFrozen(paths),
    native,
    token: held,
    symbol,
    decimals,
    spent,
    budget: budgetOf(config, { symbol, decimals }),
    maxWithdrawDelay: config.maxWithdrawDelay,
    ...(iota === undefined || profile.iota === undefined
      ? {}
      : {
          iota: {
            account: iota.account,
            balance: await iota.balance(options),
            spent: await spentOf(ledger.book(iotaAssetId(profile.iota)).spending, now, options)
          }
        })
  }
}

async function spentOf(
  spending: SpendingStore,
  now: number,
  options?: AbortOptions
): Promise<{ hour: bigint; day: bigint }> {
  const [hour, day] = await Promise.all([
    spending.sum({ since: now - HOUR }, options),
    spending.sum({ since: now - 24 * HOUR }, options)
  ])
  return { hour, day }
}

/** The same of a home from outside, whether or not a node runs on it; needs no passphrase. */
export async function readWallet(init: NodeInit, options: AbortOptions = {}): Promise<WalletStatus> {
  const paths = homePaths(init.home)
  const account = await accountOf(paths)
  const { config } = await loadConfig({ file: paths.config, overrides: init.config ?? {} })
  const profile = withOverrides(await loadProfile(init.network, paths), config)
  const logger = createLogger({ level: config.logLevel })
  const ledger = await openLedger({ path: paths.ledger, readOnly: true })
  try {
    const nobody = await nobodysKey()
    const chain = await connectChain({ profile, wallet: nobody, logger }, options)
    try {
      const iota = await iotaOf(paths, profile, options)
      return await walletStatus({ paths, config, profile, ledger, chain, account, iota }, options)
    } finally {
      await chain.close()
    }
  } finally {
    await ledger.close()
    logger.close()
  }
}

/** Its account is made by the first node that runs in a network with that rail. */
async function iotaOf(
  { iota: path }: HomePaths,
  { iota: network }: NetworkProfile,
  options?: AbortOptions
): Promise<WalletComponents['iota']> {
  const account = network === undefined ? undefined : ((await readPublicPart(path)) as Hex | undefined)
  if (network === undefined || account === undefined) return undefined
  const { rpcUrl: url, chainIdentifier } = network
  const reader = await openIotaReader({ url, chainIdentifier }, options)
  return { account, balance: (balanceOptions) => reader.balance(account, balanceOptions) }
}

async function accountOf({ root, wallet }: HomePaths): Promise<Address> {
  const account = await readPublicPart(wallet)
  if (account !== undefined) return account as Address
  throw new DdmError('notFound', `the home ${root} has no wallet yet; the first command that starts a node makes one`)
}

/** To look at the chain takes no key of one's own: with this one nothing is sent. */
async function nobodysKey(): Promise<{ account: Address; privateKey: Hex }> {
  const secret = generateEvmSecret()
  const key = await evmKey(secret)
  if (key === undefined) throw new DdmError('internal', 'a key that was just made is none')
  return { account: key.address, privateKey: `0x${Buffer.from(secret).toString('hex')}` }
}
