import { mkdirSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../examples/demo/src/server.js'
import { launchBrowser, noBrowser } from './support/browser.js'
import { DemoPage } from './support/demo-page.js'

const SCREENSHOTS = new URL('./screenshots/', import.meta.url).pathname
const CONVERSATION = 'd~alice~bob'
const PATIENCE = { timeout: 20_000, interval: 100 }

if (noBrowser !== undefined) console.warn(noBrowser)

describe.skipIf(noBrowser !== undefined)('two people in the demo, in a real browser', () => {
  let demo: Demo
  let browser: Browser

  beforeAll(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true })
    // A test types faster than a person; the limits are the bad-input tests' concern.
    demo = await startDemo({ port: 0, limits: { sendsPerSecond: 1_000, sendBurst: 1_000, framesPerSecond: 1_000, frameBurst: 2_000 } })
    browser = await launchBrowser()
  })

  afterAll(async () => {
    await browser?.close()
    await demo?.close()
  })

  /** The log itself, by REST, page by page. */
  async function log(): Promise<{ msgId: string; seq: number; fromUserId: string }[]> {
    const login = await fetch(`${demo.url}/api/im/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'bob', password: 'demo' }),
    })
    const { token } = (await login.json()) as { token: string }
    const all: { msgId: string; seq: number; fromUserId: string }[] = []
    for (;;) {
      const after = all.at(-1)?.seq ?? 0
      const answer = await fetch(`${demo.url}/api/chat/messages/session/${CONVERSATION}?afterSeq=${after}&limit=200`, {
        headers: { authorization: `Bearer ${token}` },
      })
      const page = (await answer.json()) as { messages: typeof all; hasMore: boolean }
      all.push(...page.messages)
      if (!page.hasMore) return all
    }
  }

  it('write to each other, see ticks, and lose nothing to a lost RECEIPT, a killed socket and a backlog on two devices', async () => {
    const alice = await DemoPage.signIn(browser, demo.url, 'alice')
    const bob = await DemoPage.signIn(browser, demo.url, 'bob')

    await alice.openChatWith('bob')
    await alice.send('Hello Bob')
    await expect.poll(() => bob.unread(CONVERSATION), PATIENCE).toBe(1)
    await bob.openConversation(CONVERSATION)
    await expect.poll(async () => (await bob.messages()).map(({ text }) => text), PATIENCE).toEqual(['Hello Bob'])
    await bob.send('你好，Alice')
    await expect.poll(async () => (await alice.messages()).map(({ text }) => text), PATIENCE).toEqual(['Hello Bob', '你好，Alice'])
    await expect.poll(async () => (await alice.messages())[0]?.status, PATIENCE).toBe('read')
    await expect.poll(() => bob.unread(CONVERSATION), PATIENCE).toBe(0)
    await alice.page.screenshot({ path: `${SCREENSHOTS}chat-desktop.png` })
    await bob.page.context().close()

    // Bob is away; one RECEIPT on Alice's side is lost on the way.
    for (let i = 1; i <= 60; i++) await alice.send(`while away ${i}`)
    await alice.fault('lose-receipt')
    for (let i = 61; i <= 120; i++) await alice.send(`while away ${i}`)
    await expect
      .poll(async () => (await alice.messages()).filter(({ status }) => status === 'sent').length, PATIENCE)
      .toBeGreaterThanOrEqual(120)
    const backlog = await log()
    expect(backlog.length).toBe(122)

    const laptop = await DemoPage.signIn(browser, demo.url, 'bob')
    const phone = await DemoPage.signIn(browser, demo.url, 'bob', { width: 390, height: 844 })
    await expect.poll(() => laptop.unread(CONVERSATION), PATIENCE).toBe(120)
    await phone.page.screenshot({ path: `${SCREENSHOTS}list-phone.png` })

    // The laptop's socket dies while a page of the pull is on its way.
    let pages = 0
    let killed: Promise<void> | undefined
    await laptop.page.route(/api\/im\/offline\/d/, async (route) => {
      if (++pages === 2) {
        killed = laptop.fault('drop')
        await killed
      }
      await route.continue()
    })
    await laptop.openConversation(CONVERSATION)
    await phone.openConversation(CONVERSATION)
    for (let i = 1; i <= 5; i++) await alice.send(`live ${i}`)

    await expect.poll(async () => (await log()).length, PATIENCE).toBe(127)
    const ids = (await log()).map(({ msgId }) => msgId)
    const shown = async (device: DemoPage): Promise<string[]> => (await device.messages()).map(({ msgId }) => msgId)
    for (const device of [phone, laptop, alice]) await expect.poll(() => shown(device), PATIENCE).toEqual(ids)
    expect(killed, 'the socket was killed in mid-pull').toBeDefined()
    await laptop.waitForState('connected')
    await expect.poll(() => laptop.unread(CONVERSATION), PATIENCE).toBe(0)

    const seqs = (await laptop.messages()).map(({ seq }) => seq)
    expect(seqs).toEqual(Array.from({ length: 127 }, (_, i) => i + 1))
    await phone.page.screenshot({ path: `${SCREENSHOTS}chat-phone.png` })
    await laptop.page.screenshot({ path: `${SCREENSHOTS}chat-drawer-desktop.png` })
    for (const device of [alice, laptop, phone]) await device.page.context().close()
  })

  it('shows both sides in one page with ?duo', async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'zh-CN' })
    const page = await context.newPage()
    await page.goto(`${demo.url}/?duo`)
    for (const user of ['alice', 'bob'])
      await page.locator(`[data-user=${user}] [data-state=connected]`).first().waitFor({ state: 'attached' })
    await page.screenshot({ path: `${SCREENSHOTS}duo-zh-desktop.png` })
    await context.close()
  })
})
