interface Search {
  words: readonly string[]
  seller?: string | undefined
  unconfirmed?: boolean | undefined
  /** Whether the market has no listing at all. */
  empty: boolean
}

/** Why a search shows nothing, and what to do about it. */
export function nothingFound({ words, seller, unconfirmed = false, empty }: Search): string {
  if (empty) {
    const waiting = unconfirmed ? '' : ', or see with --unconfirmed what is not on the chain yet'
    return `The market has no listings yet: publish the first with ddm sell${waiting}.`
  }
  const whose = seller === undefined ? 'No listing' : `No listing of ${seller}`
  return words.length === 0 ? `${whose} was found.` : `${whose} has all of: ${words.join(' ')}`
}
