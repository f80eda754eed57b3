import type { Browser, Page } from 'playwright-core'

/** The demo's page as a person uses it. */
export class DemoPage {
  readonly page: Page

  private constructor(page: Page) {
    this.page = page
  }

  /** Opens the page in a browser context of its own (another device) and signs in. */
  static async signIn(
    browser: Browser,
    url: string,
    userId: string,
    viewport = { width: 1280, height: 800 },
    locale = 'en-GB',
  ): Promise<DemoPage> {
    const context = await browser.newContext({ viewport, locale })
    const page = await context.newPage()
    await page.goto(url)
    await page.locator('input[name=username]').fill(userId)
    await page.locator('input[name=password]').fill('demo')
    await page.locator('button[type=submit]').first().click()
    const demo = new DemoPage(page)
    await demo.waitForState('connected')
    return demo
  }

  async waitForState(state: string): Promise<void> {
    await this.page.locator(`[data-state="${state}"]`).first().waitFor({ state: 'attached' })
  }

  /** Starts or opens the direct chat with a person found by name. */
  async openChatWith(userId: string): Promise<void> {
    await this.page.locator('input[type=search]').first().fill(userId)
    await this.page.locator(`[data-testid=search-result][data-user-id="${userId}"]`).click()
    await this.page.locator('textarea[name=message]').waitFor()
  }

  async openConversation(conversationId: string): Promise<void> {
    await this.page.locator(`[data-conversation-id="${conversationId}"] button`).first().click()
    await this.page.locator('textarea[name=message]').waitFor()
  }

  /** From a chat to the list, on a phone. */
  async goBack(): Promise<void> {
    await this.page.locator('[data-testid=back]').click()
  }

  /** The unread badge of a conversation's row. */
  async unread(conversationId: string): Promise<number> {
    const row = this.page.locator(`[data-testid=conversation][data-conversation-id="${conversationId}"]`)
    await row.waitFor()
    return Number(await row.getAttribute('data-unread'))
  }

  async send(text: string): Promise<void> {
    const composer = this.page.locator('textarea[name=message]')
    await composer.fill(text)
    await composer.press('Enter')
  }

  /** Waits until the banner speaks of this hindrance, or (undefined) of none. */
  async banner(hindrance: 'closed' | 'offline' | 'storage' | 'lost' | undefined): Promise<void> {
    const banner = this.page.locator('[data-testid=banner]')
    if (hindrance === undefined) await banner.waitFor({ state: 'hidden' })
    else await this.page.locator(`[data-testid=banner][data-hindrance=${hindrance}]`).waitFor()
  }

  /** Presses a switch of the drawer, opening it when it is shut. */
  async fault(name: string): Promise<void> {
    const button = this.page.locator(`[data-fault="${name}"]`)
    if (!(await button.isVisible())) await this.page.locator('[data-testid=break-things]').click()
    await button.click()
  }

  /** What the page shows, from top to bottom. */
  messages(): Promise<{ msgId: string; seq: number; status: string | null; text: string }[]> {
    return this.page.locator('[data-testid=message]').evaluateAll((elements) =>
      elements.map((element) => ({
        msgId: element.getAttribute('data-msg-id') ?? '',
        seq: Number(element.getAttribute('data-seq')),
        status: element.getAttribute('data-status'),
        text: element.querySelector('.text')?.textContent ?? '',
      })),
    )
  }

  /** Counts from now on how often a message's status changes, and how often text of it is put on the page anew. */
  async watchStatus(text: string): Promise<() => Promise<{ changes: number; texts: number }>> {
    const counts = await this.page.locator('[data-testid=message]', { hasText: text }).evaluateHandle((message) => {
      const seen = { changes: 0, texts: 0 }
      new MutationObserver((records) => {
        for (const { type, addedNodes } of records) {
          if (type === 'attributes') seen.changes++
          else if ([...addedNodes].some((node) => node.textContent !== '')) seen.texts++
        }
      }).observe(message, { attributeFilter: ['data-status'], childList: true, subtree: true })
      return seen
    })
    return () => counts.jsonValue()
  }
}
