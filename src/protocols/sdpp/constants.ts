/** Values of docs/specs/sdpp.md; each names the rule it comes from. */

export const SDPP_PROTOCOL = '/ddm/sdpp/2.0.0'
export const SDPP_VERSION = 2n

/** Control frames carry one statement or a small map; refused before allocating (Frames). */
export const MAX_CONTROL_BYTES = 64 * 1024
/** A DATA frame carries one block or a slice of one (Frames). */
export const MAX_DATA_BYTES = 1024 * 1024

/** Data that the buyer has not acknowledged is at most this, on every rail (Flow). */
export const MAX_IN_FLIGHT_BYTES = 1024 * 1024
/** A buyer that judges records keeps the open part of a block as evidence, up to this; honest blocks are far smaller. */
export const MAX_PART_BYTES = 4 * 1024 * 1024
/** The buyer acknowledges at the latest after this much; a quarter of the budget keeps the pipe full. */
export const POSITION_EVERY_BYTES = 128 * 1024

/**
 * How long the seller waits, with the flow limit reached, for a POSITION that frees something: a consumer may stand still
 * while what it writes to is restarted. Who takes longer gives up its slot, and goes on by RESUME.
 */
export const POSITION_TIMEOUT_MS = 600_000
/**
 * What the seller has sent and its ledger does not have yet is at most this: a crash loses it, and a buyer that goes on
 * from beyond it is believed no further. Half of it is in flight, half acknowledged.
 */
export const MAX_UNSTORED_BYTES = 2 * MAX_IN_FLIGHT_BYTES

/** A consumer that has caught up acknowledges after this long, so that few frames carry many positions (Flow). */
export const IDLE_POSITION_MS = 20

/** A buyer whose consumer keeps no count of its own stores the position this often. */
export const KEEP_POSITION_MS = 250

/** A seller stores a position to take the transcript up from this often: what a resume reads of the log at most, 1 MiB. */
export const CHECKPOINT_EVERY_BLOCKS = 16

/** An invoice is sent at the latest this long after the first uninvoiced record (Invoices). */
export const INVOICE_DELAY_MS = 1_000
/** How long the seller waits for a PAYMENT that an invoice asks for. */
export const PAYMENT_TIMEOUT_MS = 20_000
/** A seller that holds a payment looks this often whether the channel covers it now. */
export const HELD_LOOK_MS = 2_000
/** A session without a window for what other sessions of its buyer owe: how often the seller looks whether they have paid. */
export const CREDIT_LOOK_MS = 1_000
/** A side that sent nothing for this long sends PING. */
export const PING_AFTER_MS = 15_000
/** A side that heard nothing for three pings considers the other gone. */
export const SILENCE_TIMEOUT_MS = 45_000
/** A side whose frames the other does not read gives up, though it hears pings: 1 MiB in flight at 9 kB/s. */
export const STALL_TIMEOUT_MS = 120_000
/** HELLO and OFFER are one round trip each. */
export const HELLO_TIMEOUT_MS = 10_000
/** ORDER may need an unlocked wallet. */
export const ORDER_TIMEOUT_MS = 60_000
/** ACCEPT may need a deposit to be mined and confirmed. */
export const ACCEPT_TIMEOUT_MS = 120_000
/** RECEIPT and RECEIPT_ACK; the seller may wait for a last payment first. */
export const RECEIPT_TIMEOUT_MS = 30_000

/** Default validity of an OFFER in seconds: as long as the seller waits for the ORDER. */
export const OFFER_TTL_SECONDS = 60n
/** Default time in seconds that a seller keeps what a resume needs. */
export const RESUME_TTL_SECONDS = 86_400n
/** Entries of a MENU page. */
export const MENU_PAGE = 32
/** Pages a buyer may ask for on one stream. */
export const MAX_MENU_PAGES = 64
