import { Page } from '../parts/page.tsx'
import { Text } from '../parts/text.tsx'

/** Without the token of the node there is nothing to show. */
export function TokenView({ why }: { why: string | undefined }) {
  return (
    <main class="alone">
      <Page title="This page needs its key">
        {why === undefined ? null : (
          <p class="problem" role="alert">
            The node said: <Text max={300}>{why}</Text>
          </p>
        )}
        <p>
          Open the address that the node printed when it started. It ends in <code>#token=…</code>, which lets this
          browser tab use the node.
        </p>
        <p>
          To see the address again, run <code>ddm status</code> on the machine of the node.
        </p>
      </Page>
    </main>
  )
}
