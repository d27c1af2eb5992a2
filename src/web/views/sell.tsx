import { api } from '../client/api.ts'
import { useResource } from '../client/use-resource.ts'
import { node } from '../node.ts'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { SellForm } from './sell-form.tsx'
import { SellList } from './sell-list.tsx'

const LOOK_MS = 2000

/** What this node sells, and the form that adds to it. */
export function SellView() {
  const seller = node.value?.peerId
  const listed = useResource((options) => api.search({ seller, status: 'any' }, options), [seller], { every: LOOK_MS })
  const products = useResource((options) => api.products(options), [], { every: LOOK_MS })
  const selling = useResource((options) => api.selling(options), [], { every: LOOK_MS })
  const schema = useResource((options) => api.listingSchema(options), [])
  const reload = (): void => {
    listed.reload()
    products.reload()
  }
  return (
    <Page title="Sell">
      <Problem error={listed.error ?? products.error ?? schema.error} />
      <SellList
        listings={listed.value}
        products={products.value ?? []}
        selling={selling.value ?? []}
        onChange={reload}
      />
      {schema.value === undefined ? null : <SellForm schema={schema.value} onPublished={reload} />}
    </Page>
  )
}
