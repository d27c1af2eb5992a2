export {
  type DeployInit,
  defaultToken,
  deployContracts,
  devAccounts,
  formatProfile,
  type LocalChain,
  type LocalChainInit,
  parseProfile,
  readProfile,
  startLocalChain,
  writeProfile
} from '../chain/index.ts'
export {
  fileSink,
  isRawJSON,
  jsonLinesSink,
  LineSplitter,
  type OnError,
  type OnInvalid,
  parseSink,
  parseSource,
  resumeFileSink,
  type SinkOptions,
  type SourceOptions,
  sourceReach,
  TELEMETRY_SCHEMA,
  toRow
} from '../data/index.ts'
export type { VerifiedBundle } from '../evidence/index.ts'
export { startIotaLedger } from '../iota-ledger/index.ts'
export { iotaChainIdentifier } from '../payments/index.ts'
export { listingDocumentSchema as LISTING_SCHEMA } from '../registry/index.ts'
export type { AccessRules, Authorize } from './access.ts'
export { backupHome, restoreHome } from './backup.ts'
export type { BootstrapNode } from './bootstrap.ts'
export { changeBudgetOf } from './change-budget.ts'
export { describeSettings, flagOf, type NodeConfig, SETTINGS, type SettingName } from './config.ts'
export { createBootstrap, createNode, initHome } from './create.ts'
export { diagnose, type Finding } from './doctor/index.ts'
export type { SessionExposure, TotalExposure } from './exposure.ts'
export { writeFileAtomic } from './files.ts'
export type * from './follow-types.ts'
export {
  createHome,
  type HomeLock,
  type HomePaths,
  homePaths,
  isHomeLocked,
  lockHome,
  readNetworkFile,
  resolveHome,
  writeNetworkFile
} from './home.ts'
export type { InitHomeInit, InitializedHome } from './init-home.ts'
export { type Keys, loadKeys, passphraseFrom } from './keys.ts'
export { createLogger, type LogLevel, type NodeLogger } from './logger.ts'
export { createMetrics, type Metrics } from './metrics.ts'
export { priceFromText, tokenText } from './money.ts'
export { NOT_YET } from './not-yet.ts'
export { type OnLedger, openOnLedger } from './on-ledger.ts'
export { pour } from './pour.ts'
export { pourFollowed } from './pour-followed.ts'
export { locateSource, PRODUCT_KEYS, type ProductDescription, sellOptions } from './product.ts'
export type { PurchaseEvent } from './purchase-events.ts'
export type { PurchaseQuality } from './quality.ts'
export { verifyReceipt } from './receipts.ts'
export { shareSources } from './shared-sources.ts'
export { transactionName } from './transaction-name.ts'
export type * from './types.ts'
export { freezeWallet, readWallet, type WalletStatus } from './wallet.ts'
export { spendsNothing } from './way-to-pay.ts'
