export type { SessionTerms } from './account.ts'
export { sessionBinding } from './binding.ts'
export { violationError } from './buyer-errors.ts'
export { BuyerSession } from './buyer-session.ts'
export type {
  BuyerComponents,
  BuyerOutcome,
  BuyerSessionStatus,
  BuyRequest,
  Committed,
  ResumePoint
} from './buyer-types.ts'
export type { Catalog, Product } from './catalog.ts'
export { type Clock, systemClock } from './clock.ts'
export * from './constants.ts'
export type { RecordBatch } from './delivery-queue.ts'
export { type MenuEntry, requestMenu } from './menu.ts'
export { channelOf, costsMore, type OrderWish, priceOf } from './negotiation.ts'
export { type Seller, type SellerComponents, type SellerInit, type StreamRegistrar, sdppSeller } from './seller.ts'
export type { Invoicing } from './seller-state.ts'
export type { SellerSessionStatus } from './seller-types.ts'
export { CLOSE_REASON, SdppError, STATUS } from './status.ts'
export { isComplete, isResumable, isSettled, isUnconfirmed, readSession, type StoredSession } from './stored-session.ts'
export { afterSession, type CreditDecision, creditFor, halvingsOf, NO_RECORD } from './trust.ts'
export { type NarrowWindow, type WindowUse, windowAdvice } from './window-advice.ts'
