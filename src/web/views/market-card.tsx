import type { Listing } from '../client/types.ts'
import { Prices } from '../parts/money.tsx'
import { Text } from '../parts/text.tsx'
import { href } from '../router.ts'

/** One listing in a list. */
export function ListingCard({ listing }: { listing: Listing }) {
  const { title, description, spatial, keywords = [], seller } = listing.document
  return (
    <div class="card">
      <h2>
        <a href={href('product', listing.id)}>
          <Text max={120}>{title}</Text>
        </a>
      </h2>
      <p class="card-facts">
        <Prices of={listing} />
        {spatial?.place === undefined ? null : (
          <span>
            {' · '}
            <Text max={100}>{spatial.place}</Text>
          </span>
        )}
        {seller.name === undefined ? null : (
          <span>
            {' · '}
            <Text max={80}>{seller.name}</Text>
          </span>
        )}
      </p>
      {description === title ? null : (
        <p class="card-text">
          <Text max={240}>{description}</Text>
        </p>
      )}
      <Keywords of={keywords} />
    </div>
  )
}

function Keywords({ of }: { of: readonly string[] }) {
  if (of.length === 0) return null
  return (
    <ul class="tags" aria-label="Keywords">
      {of.slice(0, 6).map((keyword, index) => (
        <li key={`${index} ${keyword}`}>
          <Text max={40}>{keyword}</Text>
        </li>
      ))}
    </ul>
  )
}
