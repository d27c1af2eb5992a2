import { randomBytes } from 'node:crypto'
import type { AbortOptions, Logger, RandomBytes } from '../../interface/index.ts'
import { equalBytes, type Statement, type StatementVerifier, statementVerifier } from '../../statements/index.ts'
import { toDdmError } from './buyer-errors.ts'
import type { Clock } from './clock.ts'
import { HELLO_TIMEOUT_MS, MAX_MENU_PAGES, SDPP_VERSION } from './constants.ts'
import { encodePlain, type Message } from './messages.ts'
import { SdppError, STATUS } from './status.ts'
import { BUYER_TRANSITIONS, follow } from './transitions.ts'
import { Wire, type WireStream } from './wire.ts'

export type MenuEntry = Statement<'menu'>['listings'][number]

/**
 * Asks a peer what it sells, knowing nothing but its ID: HELLO without a listing, page after page.
 *
 * @param seller - peer ID of the other side; the menu must be signed by it
 */
export async function requestMenu(
  stream: WireStream,
  seller: string,
  components: { clock: Clock; logger: Logger; verifier?: StatementVerifier; random?: RandomBytes },
  options: AbortOptions = {}
): Promise<MenuEntry[]> {
  const { clock, logger, verifier = statementVerifier, random = randomBytes } = components
  options.signal?.throwIfAborted()
  const entries: MenuEntry[] = []
  const result = Promise.withResolvers<MenuEntry[]>()
  let nonce = random(16)
  let pages = 0
  const ask = (after?: bigint): void => {
    nonce = random(16)
    wire.send(
      encodePlain('HELLO', { versions: [SDPP_VERSION], nonce, pay: [], ...(after === undefined ? {} : { after }) })
    )
  }
  const onMessage = (message: Message): void => {
    if (message.name === 'STATUS') {
      if (message.content.code < 200n) return
      throw new SdppError(Number(message.content.code) as never, message.content.text, { side: 'remote' })
    }
    if (message.name !== 'MENU') throw new SdppError(STATUS.unexpected, `${message.name} instead of MENU`)
    const { statement } = message
    if (statement.issuer !== seller || !verifier.verify(statement) || !equalBytes(statement.content.nonce, nonce)) {
      throw new SdppError(STATUS.badSignature, `the menu is not signed by ${seller} for this request`)
    }
    entries.push(...statement.content.listings)
    const { next } = statement.content
    if (next !== undefined && ++pages < MAX_MENU_PAGES) return ask(next)
    follow(BUYER_TRANSITIONS, 'greeting', 'menuReceived')
    result.resolve(entries)
    wire.close()
  }
  const onEnd = (error: SdppError | undefined): void => {
    if (error !== undefined) result.reject(toDdmError(error, seller, 'menu'))
  }
  const wire = new Wire(stream, { onMessage, onDrain: () => {}, onEnd }, clock, logger)
  const giveUp = (): void => wire.fail(new SdppError(STATUS.timeout, 'no menu came'))
  const cancel = clock.after(HELLO_TIMEOUT_MS, giveUp)
  options.signal?.addEventListener('abort', giveUp, { once: true })
  try {
    ask()
    return await result.promise
  } finally {
    cancel()
    options.signal?.removeEventListener('abort', giveUp)
  }
}
