interface Search {
  words: readonly string[]
  seller?: string | undefined
  unconfirmed?: boolean | undefined
  /** Whether only a place or a price was looked at. */
  narrowed?: boolean
  /** Whether the market has no listing at all. */
  empty: boolean
}

/** Why a search shows nothing, and what to do about it. */
export function nothingFound({ words, seller, unconfirmed = false, narrowed = false, empty }: Search): string {
  if (empty) {
    const waiting = unconfirmed ? '' : ', or see with --unconfirmed what is not on the chain yet'
    return `The market has no listings yet: publish the first with ddm sell${waiting}.`
  }
  const whose = seller === undefined ? 'No listing' : `No listing of ${seller}`
  const where = narrowed ? ' with that place and price' : ''
  return words.length === 0 ? `${whose}${where} was found.` : `${whose}${where} has all of: ${words.join(' ')}`
}
