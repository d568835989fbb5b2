/**
 * A real browser for tests, without a dependency: Chromium over its debugging pipe (messages of the DevTools protocol as
 * JSON, each ended by a zero byte, on file descriptors 3 and 4).
 */
import { excerpt } from '@polygate/core';
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** Names under which Debian, Ubuntu and others install it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/**
 * The browser to test with: `POLYGATE_CHROMIUM` as it stands, so that a wrong one fails, or one on the path.
 * @returns undefined where there is none
 */
export const findChromium = (): string | undefined => {
  const asked = process.env['POLYGATE_CHROMIUM'];
  if (asked !== undefined && asked !== '') return asked;
  const places = (process.env['PATH'] ?? '').split(delimiter);
  return NAMES.flatMap((name) => places.map((folder) => join(folder, name))).find(isProgram);
};

type Values = Readonly<Record<string, unknown>>;

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Values;
  readonly result?: Values;
  readonly error?: { readonly message: string };
}

/** An open page. */
export interface BrowserPage {
  /** Calls a method of the DevTools protocol. */
  call(method: string, params?: Values): Promise<Values>;
  /** Runs an expression in the page and returns its JSON value, or that of its promise. */
  evaluate<T>(expression: string): Promise<T>;
  /** Every event since the page was opened. */
  readonly events: readonly { readonly method: string; readonly params: Values }[];
}

export interface Browser extends AsyncDisposable {
  readonly version: string;
  open(
    url: string,
    size: { readonly width: number; readonly height: number; readonly dark?: boolean },
  ): Promise<BrowserPage>;
}

const START_MS = 30_000;

class Pipe {
  readonly #waiting = new Map<
    number,
    { resolve: (value: Values) => void; reject: (reason: Error) => void }
  >();
  readonly #listeners = new Set<(message: Message) => void>();
  readonly #to: Writable;
  #next = 1;
  #rest = '';
  #ended: Error | undefined;

  constructor(child: ChildProcess, stderr: () => string) {
    this.#to = child.stdio[3] as Writable;
    this.#to.on('error', () => {});
    (child.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => this.#take(text));
    const end = (reason: string): void => {
      this.#ended = new Error(`${reason}\n${stderr().slice(-2000)}`);
      for (const { reject } of this.#waiting.values()) reject(this.#ended);
      this.#waiting.clear();
    };
    child.on('error', (error) => end(`the browser did not start: ${error.message}`));
    child.on('exit', (code, signal) => end(`the browser ended with ${code ?? signal ?? '?'}`));
  }

  #take(text: string): void {
    const parts = (this.#rest + text).split('\0');
    this.#rest = parts.pop() ?? '';
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      if (message.id === undefined) {
        for (const listener of this.#listeners) listener(message);
        continue;
      }
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error) waiting?.reject(new Error(message.error.message));
      else waiting?.resolve(message.result ?? {});
    }
  }

  listen(listener: (message: Message) => void): void {
    this.#listeners.add(listener);
  }

  call(method: string, params: Values = {}, sessionId?: string): Promise<Values> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#to.write(`${JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) })}\0`);
    });
  }
}

/** Starts a browser. @throws Error with its own words when it does not come up */
export const startChromium = async (program: string): Promise<Browser> => {
  const profile = await mkdtemp(join(tmpdir(), 'polygate-chromium-'));
  const child = spawn(
    program,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--no-first-run',
      '--hide-scrollbars',
      '--force-color-profile=srgb',
      `--user-data-dir=${profile}`,
      '--remote-debugging-pipe',
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] },
  );
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const pipe = new Pipe(child, () => stderr);
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
  const stop = async (): Promise<void> => {
    clearTimeout(timer);
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  try {
    const { product } = await pipe.call('Browser.getVersion');
    clearTimeout(timer);
    return {
      version: String(product),
      async open(url, { width, height, dark = false }) {
        const { targetId } = await pipe.call('Target.createTarget', { url: 'about:blank' });
        const { sessionId } = await pipe.call('Target.attachToTarget', { targetId, flatten: true });
        const session = String(sessionId);
        const events: { method: string; params: Values }[] = [];
        let loaded: () => void = () => {};
        const ready = new Promise<void>((resolve) => (loaded = resolve));
        pipe.listen((message) => {
          if (message.sessionId !== session || message.method === undefined) return;
          events.push({ method: message.method, params: message.params ?? {} });
          if (message.method === 'Page.loadEventFired') loaded();
        });
        const call = (method: string, params: Values = {}): Promise<Values> =>
          pipe.call(method, params, session);
        for (const domain of ['Page', 'Network', 'Log', 'Runtime', 'Accessibility'])
          await call(`${domain}.enable`);
        await call('Emulation.setDeviceMetricsOverride', {
          width,
          height,
          deviceScaleFactor: 1,
          mobile: false,
        });
        await call('Emulation.setEmulatedMedia', {
          features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
        });
        await call('Page.navigate', { url });
        await ready;
        return {
          call,
          events,
          async evaluate<T>(expression: string): Promise<T> {
            const { result, exceptionDetails } = await call('Runtime.evaluate', {
              expression,
              returnByValue: true,
              awaitPromise: true,
            });
            if (exceptionDetails) throw new Error(excerpt(exceptionDetails, 1000));
            return (result as { value: T }).value;
          },
        };
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw new Error(
      `expected a browser at ${program} that starts, got: ${error instanceof Error ? error.message : String(error)}; set POLYGATE_CHROMIUM to one that does, or install Debian's chromium`,
      { cause: error },
    );
  }
};
