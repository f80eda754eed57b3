import { mkdirSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../scripts/services/instance.js'
import { launchBrowser, noBrowser } from './support/browser.js'
import { OwnDatabase } from './support/database.js'
import { DemoPage } from './support/demo-page.js'
import { DemoProcess } from './support/demo-process.js'

const SCREENSHOTS = new URL('./screenshots/', import.meta.url).pathname
const PHONE = { width: 390, height: 844 }
const PATIENCE = { timeout: 30_000, interval: 100 }

const database = noBrowser === undefined ? await OwnDatabase.start() : undefined

describe.skipIf(database === undefined)('the demo on a database, in a real browser', () => {
  const { url: MYSQL_URL, server } = database ?? ({} as OwnDatabase)
  let demo: DemoProcess
  let browser: Browser

  beforeAll(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true })
    demo = new DemoProcess(await freePort(), { MYSQL_URL })
    ;[browser] = await Promise.all([launchBrowser(), demo.start()])
  })

  afterAll(async () => {
    await browser?.close()
    await demo?.kill9()
    await database?.stop()
  })

  const msgIdsOf = async (conversationId: string): Promise<string[]> =>
    ((await database?.log(conversationId)) ?? []).map(({ msgId }) => msgId)
  const shownIn = async (page: DemoPage): Promise<string[]> => (await page.messages()).map(({ msgId }) => msgId)
  const statusOf = async (page: DemoPage, text: string): Promise<string | null | undefined> =>
    (await page.messages()).find((message) => message.text === text)?.status

  it('is killed in mid-page and started again: both pages go on by themselves with everything, once, in order', async () => {
    const chat = 'd~alice~bob'
    await database?.write('alice', 'bob', 120)
    const [alice, bob] = await Promise.all([DemoPage.signIn(browser, demo.url, 'alice'), DemoPage.signIn(browser, demo.url, 'bob', PHONE)])
    await alice.openConversation(chat)
    await expect.poll(async () => (await shownIn(alice)).length, PATIENCE).toBe(120)
    await alice.send('one more')
    await expect.poll(() => bob.unread(chat), PATIENCE).toBe(121)

    // The server has answered, and dies before the second page has arrived.
    let pages = 0
    let killed = false
    await bob.page.route(/api\/im\/offline\/d/, async (route) => {
      if (++pages !== 2) return route.continue()
      await route.fetch()
      // Whether this one is committed before the end is a matter of chance.
      await alice.send('as the demo dies')
      await demo.kill9()
      killed = true
      await route.abort('connectionreset')
    })
    await bob.openConversation(chat)
    await expect.poll(() => killed, PATIENCE).toBe(true)
    await alice.send('while the demo was down')
    await bob.send('me too')
    expect(await statusOf(alice, 'while the demo was down')).toBe('queued')
    expect(await statusOf(bob, 'me too')).toBe('queued')

    await demo.start()
    await expect.poll(async () => (await msgIdsOf(chat)).length, PATIENCE).toBe(124)
    const ids = await msgIdsOf(chat)
    for (const page of [alice, bob]) await expect.poll(() => shownIn(page), PATIENCE).toEqual(ids)
    for (const page of [alice, bob]) expect(await page.page.locator('[data-testid=sign-in]').count(), 'nobody signs in again').toBe(0)
    await expect.poll(() => statusOf(alice, 'while the demo was down'), PATIENCE).toBe('read')
    await expect.poll(() => statusOf(bob, 'me too'), PATIENCE).toBe('read')
    expect((await bob.messages()).map(({ seq }) => seq)).toEqual(ids.map((_, i) => i + 1))
    for (const page of [alice, bob]) await page.page.context().close()
  })

  it('says that it waits while the database is killed in mid-send, and goes on over the same sockets', async () => {
    const [chat, other] = ['d~carol~dave', 'd~agent1~dave']
    await database?.write('dave', 'carol', 3)
    await database?.write('agent1', 'dave', 2)
    const [carol, dave] = await Promise.all([
      DemoPage.signIn(browser, demo.url, 'carol'),
      DemoPage.signIn(browser, demo.url, 'dave', PHONE, 'zh-CN'),
    ])
    for (const page of [carol, dave]) {
      await page.openConversation(chat)
      await expect.poll(async () => (await shownIn(page)).length, PATIENCE).toBe(3)
    }
    let sockets = 0
    for (const { page } of [carol, dave]) page.on('websocket', () => sockets++)
    const { pid } = demo
    const printed = demo.output.length

    // Frozen first, so that the message is surely on its way when the database dies.
    process.kill(server.pid, 'SIGSTOP')
    await carol.send('in mid-send')
    await expect.poll(() => statusOf(carol, 'in mid-send'), PATIENCE).not.toBe('queued')
    await server.kill9()
    await carol.send('behind it')
    await carol.banner('storage')
    const retries = await carol.watchStatus('in mid-send')
    // Who only reads is told as well.
    await dave.page.locator('[data-testid=back]').click()
    await dave.openConversation(other)
    await dave.banner('storage')
    await dave.page.locator('[data-testid=back]').click()
    await dave.banner(undefined)
    await dave.openConversation(chat)
    await dave.send('我也在等')
    for (const page of [carol, dave]) await page.banner('storage')
    // Queued, or just being tried once more: the same clock.
    for (const text of ['in mid-send', 'behind it']) expect(['queued', 'sending']).toContain(await statusOf(carol, text))
    expect(['queued', 'sending']).toContain(await statusOf(dave, '我也在等'))
    await carol.page.screenshot({ path: `${SCREENSHOTS}database-down-desktop.png` })
    await dave.page.screenshot({ path: `${SCREENSHOTS}database-down-phone-zh.png` })

    // Each further try changes the mark, never what a screen reader reads aloud.
    await expect.poll(async () => (await retries()).changes, PATIENCE).toBeGreaterThan(2)
    expect((await retries()).texts).toBe(0)

    await server.restart()
    await expect.poll(async () => (await msgIdsOf(chat)).length, PATIENCE).toBe(6)
    const ids = await msgIdsOf(chat)
    for (const page of [carol, dave]) await expect.poll(() => shownIn(page), PATIENCE).toEqual(ids)
    for (const page of [carol, dave]) await page.banner(undefined)
    for (const text of ['in mid-send', 'behind it']) await expect.poll(() => statusOf(carol, text), PATIENCE).toBe('read')
    await expect.poll(() => statusOf(dave, '我也在等'), PATIENCE).toBe('read')

    await dave.page.locator('[data-testid=back]').click()
    expect(await dave.unread(other)).toBe(2)
    await dave.openConversation(other)
    await expect.poll(async () => (await dave.messages()).length, PATIENCE).toBe(2)

    expect(sockets, 'open sockets stay up').toBe(0)
    expect([demo.pid, demo.isRunning]).toEqual([pid, true])
    expect(demo.output.slice(printed), 'no unhandled rejection').toBe('')

    // Told apart from a server that is gone.
    await demo.kill9()
    await carol.send('nobody there')
    for (const page of [carol, dave]) await page.banner('lost')
    expect(await statusOf(carol, 'nobody there')).toBe('queued')
    await carol.page.screenshot({ path: `${SCREENSHOTS}demo-down-desktop.png` })
    await dave.page.screenshot({ path: `${SCREENSHOTS}demo-down-phone-zh.png` })
    for (const page of [carol, dave]) await page.page.context().close()
  })
})
