import type { StaticEncode, TSchema } from 'typebox'
import type * as listing from '../../api/schemas/listing.ts'
import type * as money from '../../api/schemas/money.ts'
import type * as node from '../../api/schemas/node.ts'
import type * as product from '../../api/schemas/product.ts'
import type * as purchase from '../../api/schemas/purchase.ts'
import type * as session from '../../api/schemas/session.ts'

/** As it is on the wire: integers are decimal digits. */
type Wire<S extends TSchema> = StaticEncode<S>

export type Listing = Wire<typeof listing.ListingSchema>
export type Facets = Wire<typeof listing.FacetsSchema>
export type Quote = Wire<typeof listing.QuoteSchema>
export type NodeInfo = Wire<typeof node.NodeSchema>
export type Peer = Wire<typeof node.PeerSchema>
export type Product = Wire<typeof product.ProductSchema>
export type ProductWish = Wire<typeof product.ProductWishSchema>
export type Purchase = Wire<typeof purchase.PurchaseSchema>
export type PurchaseStatus = Wire<typeof purchase.PurchaseStatusSchema>
export type PurchaseWish = Wire<typeof purchase.PurchaseWishSchema>
export type WireRecord = Wire<typeof purchase.RecordsSchema>[number]
export type Session = Wire<typeof session.SessionSchema>
export type Selling = Wire<typeof session.SellingSchema>
export type Statement = Wire<typeof session.StatementSchema>
export type Move = Wire<typeof session.MoveSchema>
export type Receipt = Wire<typeof session.ReceiptSchema>
export type Bundle = Wire<typeof session.BundleSchema>
export type Channel = Wire<typeof money.ChannelSchema>
export type Claimed = Wire<typeof money.ClaimSchema>
export type Wallet = Wire<typeof money.WalletSchema>
export type BudgetChange = Wire<typeof money.BudgetChangeSchema>
export type RailName = Quote['rail']
