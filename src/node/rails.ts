import { assetId, type Chain, defaultToken, networkId } from '../chain/index.ts'
import {
  type AbortOptions,
  type AssetId,
  type Budget,
  type Currency,
  currencyOf,
  formatUnits,
  type Hex,
  iotaAssetId,
  isQuiet,
  type Logger,
  type NetworkProfile,
  type Payee,
  type Payer,
  parseUnits,
  type RailName
} from '../interface/index.ts'
import {
  createBudget,
  createEip712,
  evmPayee,
  evmPayer,
  freePayee,
  freePayer,
  type IotaRail,
  openIotaRail
} from '../payments/index.ts'
import type { StatementSigner } from '../statements/index.ts'
import type { Ledger } from '../storage/index.ts'
import type { NodeConfig, TextSetting } from './config.ts'
import { fundFromFaucet } from './faucet.ts'
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
  signer: StatementSigner
  logger: Logger
}

export interface Rails {
  payers: readonly Payer[]
  payees: readonly Payee[]
  /** Account that is paid, by rail. */
  accounts: Partial<Record<RailName, Hex>>
  /** undefined on networks without it. */
  iota: IotaRail | undefined
  close: () => Promise<void>
}

/** Both roles on every rail of this node; a budget stands in front of each payer. */
export async function createRails(init: RailsInit, options?: AbortOptions): Promise<Rails> {
  const { chain, keys, profile } = init
  const evm = chain.channels === undefined ? undefined : await createEvm(init, chain.channels)
  const iota = keys.iota === undefined || profile.iota === undefined ? undefined : await createIota(init, options)
  return {
    payers: [...(evm === undefined ? [] : [evm.payer]), ...(iota === undefined ? [] : [iota.payer]), freePayer()],
    payees: [...(evm === undefined ? [] : [evm.payee]), ...(iota === undefined ? [] : [iota.payee]), freePayee()],
    accounts: { evm: keys.wallet.address, ...(keys.iota === undefined ? {} : { iota: keys.iota.address }) },
    iota,
    close: async () => iota?.close()
  }
}

function budgetFor({ ledger, paths, config }: RailsInit, asset: AssetId, currency: Currency): Budget {
  return createBudget({
    spending: ledger.book(asset).spending,
    limits: () => budgetOf(config, currency),
    allow: () => config.budgetSellers,
    frozen: () => isFrozen(paths),
    format: (amount) => `${formatUnits(amount, currency.decimals)} ${currency.symbol}`
  })
}

async function createEvm(init: RailsInit, channels: NonNullable<Chain['channels']>) {
  const { ledger, keys, config, profile, logger } = init
  const token = defaultToken(profile)
  const units = (name: TextSetting): bigint => parseUnits(config[name], token.decimals, name)
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
    budget: budgetFor(init, common.assetId, token),
    wallet: keys.wallet,
    voucherSigner: keys.voucherSigner,
    maxWithdrawDelay: config.maxWithdrawDelay / 1000,
    get maxDeposit() {
      return budgetOf(config, token).deposit
    },
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
    relayGasPercent: BigInt(config.relayGasPercent),
    withdrawDelay: config.withdrawDelay / 1000,
    quiet: isQuiet(profile)
  })
  return { payer, payee }
}

async function createIota(init: RailsInit, options?: AbortOptions): Promise<IotaRail> {
  const { ledger, keys, config, profile, signer, logger } = init
  const network = profile.iota as NonNullable<NetworkProfile['iota']>
  const key = keys.iota as NonNullable<Keys['iota']>
  const asset = iotaAssetId(network)
  const rail = await openIotaRail(
    {
      url: network.rpcUrl,
      chainIdentifier: network.chainIdentifier,
      seed: key.seed,
      issuer: signer.peerId,
      assetId: asset,
      transfers: ledger.transfers,
      budget: budgetFor(init, asset, currencyOf(profile, 'iota')),
      maxFeePercent: config.maxFeePercent,
      sponsorFees: config.sponsorFees,
      logger
    },
    options
  )
  // A faucet is in the profile of networks whose coins are worth nothing.
  if (network.faucetUrl !== undefined) await fundFromFaucet(rail, key.address, network.faucetUrl, logger, options)
  return rail
}
