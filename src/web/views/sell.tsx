import { Page } from '../parts/page.tsx'

export function SellView() {
  return <Page title="Sell">{null}</Page>
}
