import { Page } from '../parts/page.tsx'

export function NetworkView() {
  return <Page title="Network">{null}</Page>
}
