import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const places = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].filter(
  (path) => path !== undefined,
)

/** Path of a Chromium on this machine. */
export const chromiumPath: string | undefined = places.find((path) => existsSync(path))

/** Why browser tests are skipped; undefined = they run. With CI set they run or fail. */
export const noBrowser: string | undefined =
  chromiumPath !== undefined || process.env.CI !== undefined
    ? undefined
    : 'Browser tests are skipped: no Chromium was found (set CHROMIUM_PATH, or install the package chromium).'

export function launchBrowser(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('CI is set, but there is no Chromium at /usr/bin/chromium or CHROMIUM_PATH.')
  return chromium.launch({
    executablePath: chromiumPath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
