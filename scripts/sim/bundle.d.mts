import type { Plugin } from 'esbuild'

export declare function bundleSimulator(options?: { readonly name?: string; readonly plugins?: Plugin[] }): Promise<string>
