import { assetId, type Chain, defaultToken, networkId } from '../chain/index.ts'
import {
  formatUnits,
  type Logger,
  type NetworkProfile,
  type Payee,
  type Payer,
  parseUnits
} from '../interface/index.ts'
import { createBudget, createEip712, evmPayee, evmPayer, freePayee, freePayer } from '../payments/index.ts'
import type { Ledger } from '../storage/index.ts'
import type { NodeConfig } from './config.ts'
import type { HomePaths } from './home.ts'
import type { Keys } from './keys.ts'
import { budgetOf, isFrozen } from './wallet.ts'

export interface RailsInit {
  chain: Chain
  ledger: Ledger
  paths: Pick<HomePaths, 'frozen'>
  keys: Keys
  config: NodeConfig
  profile: NetworkProfile
  logger: Logger
}

/** Both roles on every rail of this node; the budget stands in front of the payer. */
export async function createRails(init: RailsInit): Promise<{ payers: readonly Payer[]; payees: readonly Payee[] }> {
  const { chain, ledger, paths, keys, config, profile, logger } = init
  const { channels } = chain
  if (channels === undefined) return { payers: [freePayer()], payees: [freePayee()] }
  const token = defaultToken(profile)
  const { decimals, symbol } = token
  const { deposit, sellers, ...limits } = budgetOf(config, token)
  const units = (name: keyof NodeConfig): bigint => parseUnits(String(config[name]), decimals, name)
  const budget = createBudget({
    spending: ledger.spending,
    limits,
    frozen: () => isFrozen(paths),
    format: (amount) => `${formatUnits(amount, decimals)} ${symbol}`,
    ...(sellers.length === 0 ? {} : { allow: sellers })
  })
  const common = {
    chain: channels,
    channels: ledger.channels,
    eip712: await createEip712(),
    networkId: networkId(profile),
    assetId: assetId(profile),
    logger
  }
  const payer = evmPayer({
    ...common,
    budget,
    wallet: keys.wallet,
    voucherSigner: keys.voucherSigner,
    maxWithdrawDelay: config.maxWithdrawDelay / 1000,
    maxDeposit: deposit,
    directDeposits: config.directDeposits
  })
  const payee = evmPayee({
    ...common,
    payTo: keys.wallet.address,
    receiverAuthorizer: keys.receiverAuthorizer.address,
    authorizerKey: keys.receiverAuthorizer.privateKey,
    claimPolicy: {
      above: units('claimAbove'),
      interval: config.claimInterval / 1000,
      nativePrice: units('nativePrice'),
      gasPercent: BigInt(config.claimGasPercent)
    },
    withdrawDelay: config.withdrawDelay / 1000
  })
  return { payers: [payer, freePayer()], payees: [payee, freePayee()] }
}
