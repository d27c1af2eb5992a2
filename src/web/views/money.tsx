import { Page } from '../parts/page.tsx'

export function MoneyView() {
  return <Page title="Money">{null}</Page>
}
