import type { TestContext } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { watchPage } from '../support/chromium.ts'
import type { Trader } from './market-fixture.ts'

/** How often a test looks again. */
export const POLL_MS = 50

/** The page of a trader at its market, and what goes wrong on it. */
export async function openPage(t: TestContext, browser: Browser, { page: address }: Trader) {
  const page = await browser.newPage()
  t.after(() => page.close())
  const { faults } = await watchPage(page)
  await page.goto(address)
  await page.getByRole('heading', { name: 'Market', level: 1 }).waitFor()
  return { page, faults }
}

/** A link of the page's navigation. */
export const place = (page: Page, name: string) => page.getByRole('navigation').getByRole('link', { name, exact: true })
