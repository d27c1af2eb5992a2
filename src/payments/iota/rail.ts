import type {
  AbortOptions,
  AssetId,
  Budget,
  Logger,
  MemoLedger,
  Payee,
  Payer,
  TransferStore
} from '../../interface/index.ts'
import { iotaAccount } from './account.ts'
import { memoLedger } from './memo-ledger.ts'
import { IotaPayee } from './payee.ts'
import { IotaPayer } from './payer.ts'
import { connectLedger } from './sdk-client.ts'
import { IotaWallet } from './wallet.ts'

export interface IotaRailInit {
  url: string
  chainIdentifier: string
  /** 32 bytes: key of the account that pays and is paid. */
  seed: Uint8Array
  /** Peer ID of this node, which signs invoices. */
  issuer: string
  assetId: AssetId
  transfers: TransferStore
  budget: Budget
  /** @default 1 */
  maxFeePercent?: number
  /** Pays the fees of its buyers' payments. @default false */
  sponsorFees?: boolean
  logger: Logger
}

export interface IotaRail {
  payer: Payer
  payee: Payee
  /** Where digests can be recorded. */
  memos: MemoLedger
  /** Nanos. */
  balance: (options?: AbortOptions) => Promise<bigint>
  close: () => Promise<void>
}

export async function connectRail(init: IotaRailInit, options?: AbortOptions): Promise<IotaRail> {
  const {
    url,
    chainIdentifier,
    seed,
    issuer,
    assetId,
    transfers,
    budget,
    maxFeePercent = 1,
    sponsorFees = false,
    logger
  } = init
  const client = await connectLedger({ url, chainIdentifier }, options)
  const account = iotaAccount(seed)
  const wallet = new IotaWallet({ account, client, transfers, permit: budget.permit, logger })
  const gasPrice = await client.gasPrice(options)
  return {
    payer: new IotaPayer({ account, client, wallet, transfers, budget, assetId }),
    payee: new IotaPayee({
      client,
      transfers,
      payTo: account.address,
      issuer,
      assetId,
      gasPrice,
      maxFeePercent,
      ...(sponsorFees ? { sponsor: { account, wallet, permit: budget.permit } } : {})
    }),
    memos: memoLedger(client, wallet),
    balance: (balanceOptions) => client.balance(account.address, balanceOptions),
    close: () => wallet.close()
  }
}
