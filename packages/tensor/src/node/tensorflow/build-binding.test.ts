/** Building the binding of TensorFlow: what is refused how, and what stands afterwards. Python and compiler are scripts. */
import { EngineError } from '@polygate/core';
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildTensorflowBinding } from './build-binding.ts';
import { findTensorflowPackage, readBuildRecord, type TensorflowPackageName } from './tensorflow-package.ts';

const run = promisify(execFile);
const loader = fileURLToPath(new URL('../../../native/tensorflow_loader.cc', import.meta.url));

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'polygate-tensorflow-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

const put = (path: string, text: string): string => {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
};

const program = (path: string, body: string): string => {
  const file = put(path, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
};

/** An installed package: its manifest as tfjs-node has it, and one source. */
const installPackage = (name: TensorflowPackageName = 'tfjs-node'): void => {
  const folder = `node_modules/@tensorflow/${name}`;
  const binary = { module_path: './lib/napi-v{napi_build_version}', napi_versions: [3, 8, 999] };
  put(`${folder}/package.json`, JSON.stringify({ name: `@tensorflow/${name}`, version: '4.22.0', binary }));
  put(`${folder}/binding/tfjs_binding.cc`, '// a source\n');
};

/** A TensorFlow in name only: the build looks for three files, the compiler for the rest. */
const installTensorflow = (version: string | null = '2.21.0', cuda = false): string => {
  const folder = join(root, 'tensorflow');
  put('tensorflow/include/tensorflow/c/eager/c_api.h', '');
  put('tensorflow/libtensorflow_cc.so.2', '');
  put('tensorflow/libtensorflow_framework.so.2', '');
  return program('python', `echo '${JSON.stringify({ root: folder, version, cuda })}'`);
};

/** A compiler that writes what it was called with, and a file where the output goes. */
const installCompiler = (): void => {
  const calls = join(root, 'calls');
  vi.stubEnv(
    'CXX',
    program(
      'compiler',
      `[ "$1" = --version ] && echo 'a compiler 1.0' && exit 0
echo "$@" >> ${calls}
for word; do last=$word; done
echo built > "$last"`,
    ),
  );
};

const calls = (): string[] =>
  existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').trim().split('\n').sort() : [];

const build = (python: string, name: TensorflowPackageName = 'tfjs-node', force = false) =>
  buildTensorflowBinding(name, { python, force, from: [root] });

const failure = async (work: Promise<unknown>): Promise<EngineError> => {
  const error: unknown = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
};

describe.runIf(process.platform === 'linux')('buildTensorflowBinding', () => {
  it('puts the binding where the package looks for it, and does nothing the second time', async () => {
    installPackage();
    installCompiler();
    const python = installTensorflow();
    const tensorflow = join(root, 'tensorflow');
    const binding = join(root, 'node_modules/@tensorflow/tfjs-node/lib/napi-v8/tfjs_binding.node');
    expect(findTensorflowPackage('tfjs-node', [root])).toMatchObject({
      version: '4.22.0',
      binding,
      hasBinding: false,
    });

    const built = { library: 'TensorFlow 2.21.0', root: tensorflow, cuda: false, binding };
    expect(await build(python)).toEqual({ ...built, upToDate: false });
    const entry = findTensorflowPackage('tfjs-node', [root]);
    expect(entry?.hasBinding).toBe(true);
    expect(existsSync(join(dirname(binding), 'tfjs_binding_tensorflow.so'))).toBe(true);
    expect(entry && readBuildRecord(entry)).toMatchObject({
      version: '2.21.0',
      root: tensorflow,
      compiler: 'a compiler 1.0',
    });
    const links = `-L${tensorflow} -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 -Wl,-rpath,${tensorflow}`;
    expect(calls()).toHaveLength(2);
    expect(calls().filter((call) => call.includes(links))).toEqual([
      expect.stringContaining('binding/tfjs_binding.cc'),
    ]);

    expect(await build(python)).toEqual({ ...built, upToDate: true });
    expect(calls()).toHaveLength(2);
    expect(await build(python, 'tfjs-node', true)).toEqual({ ...built, upToDate: false });
    expect(calls()).toHaveLength(4);
  });

  it('builds again for another TensorFlow', async () => {
    installPackage();
    installCompiler();
    await build(installTensorflow('2.20.0'));
    const again = await build(installTensorflow('2.21.0'));
    expect(again).toMatchObject({ library: 'TensorFlow 2.21.0', upToDate: false });
  });

  it('says how an absent package is installed', async (context) => {
    // NODE_PATH may name a place where one of them is.
    const name = (['tfjs-node-gpu', 'tfjs-node'] as const).find(
      (each) => !findTensorflowPackage(each, [root]),
    );
    if (!name) return context.skip('both packages are installed here');
    const error = await failure(build(installTensorflow(), name));
    expect(error.message).toBe(
      `expected @tensorflow/${name} to be installed, got no such package; npm install @tensorflow/${name} --ignore-scripts, then build again`,
    );
    expect(error.code).toBe('engine-missing');
  });

  it.each([
    ['a Python that is not there', () => join(root, 'nowhere'), 'there is no such program'],
    ['a Python that fails', () => program('python', 'echo oops >&2; exit 1'), '"oops"'],
    [
      'a Python without TensorFlow',
      () => program('python', `echo '{"root": null, "version": null, "cuda": false}'`),
      'it has no TensorFlow',
    ],
  ])('refuses %s, saying how to make one', async (_, make, why) => {
    installPackage();
    const python = make();
    const error = await failure(build(python));
    expect(error.message).toBe(
      `expected a Python with TensorFlow, got ${python}: ${why}; make one: python3 -m venv venv && venv/bin/pip install tensorflow-cpu; then name its Python: PYTHON=venv/bin/python`,
    );
    expect(error.code).toBe('tensorflow-missing');
  });

  it('takes the Python that the variable PYTHON names', async () => {
    installPackage();
    installCompiler();
    vi.stubEnv('PYTHON', installTensorflow());
    const built = await buildTensorflowBinding('tfjs-node', { from: [root] });
    expect(built.root).toBe(join(root, 'tensorflow'));
  });

  it.each(['2.9.1', '1.15.5', '3.0.0', null])('refuses TensorFlow %s', async (version) => {
    installPackage();
    const python = installTensorflow(version);
    const error = await failure(build(python));
    expect(error.message).toBe(
      `${python}: expected TensorFlow 2.16 or later, got ${version ?? 'one of unknown version'} in ${join(root, 'tensorflow')}; pip install --upgrade tensorflow-cpu`,
    );
    expect(error.code).toBe('tensorflow-unusable');
  });

  it('refuses a TensorFlow without libraries', async () => {
    installPackage();
    const python = installTensorflow();
    rmSync(join(root, 'tensorflow/libtensorflow_cc.so.2'));
    expect((await failure(build(python))).message).toContain(
      ', got no libtensorflow_cc.so.2; install the wheel of Linux',
    );
  });

  it('refuses a TensorFlow without CUDA for the package of GPUs, and takes one with', async () => {
    installPackage('tfjs-node-gpu');
    installCompiler();
    const python = installTensorflow();
    expect((await failure(build(python, 'tfjs-node-gpu'))).message).toBe(
      `${python}: expected a TensorFlow with CUDA for tfjs-node-gpu, got 2.21.0 for the CPU alone; make one: python3 -m venv venv && venv/bin/pip install tensorflow[and-cuda]; then name its Python: PYTHON=venv/bin/python`,
    );
    expect(await build(installTensorflow('2.21.0', true), 'tfjs-node-gpu')).toMatchObject({ cuda: true });
  });

  it('names the compilers that are not there', async () => {
    installPackage();
    const python = installTensorflow();
    vi.stubEnv('CXX', 'my-compiler');
    vi.stubEnv('PATH', '/nowhere');
    expect((await failure(build(python))).message).toBe(
      'expected a C++ compiler, got none of my-compiler, g++, c++, clang++; install one (Debian/Ubuntu: apt-get install g++) or name one by CXX',
    );
  });

  it('says in one line what was tried when the sources do not compile, and leaves nothing', async () => {
    installPackage();
    const python = installTensorflow();
    const compiler = program(
      'compiler',
      `[ "$1" = --version ] && echo 'a compiler 1.0' && exit 0
echo 'a note' >&2; echo 'file.cc:3: error: no such thing' >&2; exit 1`,
    );
    vi.stubEnv('CXX', compiler);
    const error = await failure(build(python));
    expect(error.message).toBe(
      `expected the binding to compile against TensorFlow 2.21.0 (${join(root, 'tensorflow')}) by ${compiler} (a compiler 1.0) with -std=c++17, then -std=c++20, got: file.cc:3: error: no such thing; try another TensorFlow (2.16 to 2.21 are known to work) or another compiler by CXX`,
    );
    const entry = findTensorflowPackage('tfjs-node', [root]);
    expect(entry?.hasBinding).toBe(false);
    expect(entry && readBuildRecord(entry)).toBeUndefined();
  });
});

const hasCompiler = ((): boolean => {
  try {
    execFileSync('g++', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
})();

describe.runIf(hasCompiler)('the loader of the binding', () => {
  /** A binding that talks while it is mapped, as TensorFlow does. */
  const chatter = `
#include <cstdio>
#include <node_api.h>
namespace {
const int talk = std::fputs(
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n"
    "I0000 00:00:1795941580.410012   30796 port.cc:153] an information\\n"
    "2026-01-02 03:04:05.678901: I tensorflow/core/util/port.cc:113] an old information\\n"
    "W0000 00:00:1795941580.410012   30796 port.cc:153] a warning\\n"
    "E0000 00:00:1795941580.410012   30796 port.cc:153] an error\\n"
    "In other words\\n", stderr);
}
NAPI_MODULE_INIT() {
  napi_value answer;
  napi_create_int32(env, 42, &answer);
  napi_set_named_property(env, exports, "answer", answer);
  return exports;
}
`;

  it(
    'keeps what TensorFlow says while it is mapped off the terminal, by its level',
    { timeout: 60_000 },
    async () => {
      const headers = createRequire(import.meta.url)('node-api-headers') as { include_dir: string };
      const flags = ['-std=c++17', '-shared', '-fPIC', '-DNAPI_VERSION=8', `-I${headers.include_dir}`];
      const real = put('real.cc', chatter);
      await Promise.all([
        run('g++', [...flags, loader, '-ldl', '-o', join(root, 'tfjs_binding.node')]),
        run('g++', [...flags, real, '-o', join(root, 'tfjs_binding_tensorflow.so')]),
      ]);
      const said = async (level: string): Promise<string[]> => {
        const script = `console.log(require(${JSON.stringify(join(root, 'tfjs_binding.node'))}).answer)`;
        const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: level };
        const { stdout, stderr } = await run(process.execPath, ['-e', script], { env });
        expect(stdout).toBe('42\n');
        return stderr
          .trim()
          .split('\n')
          .map((line) => line.replace(/^.*\] /u, '').slice(0, 20));
      };
      expect(await said('0')).toEqual([
        'WARNING: All log mes',
        'an information',
        'an old information',
        'a warning',
        'an error',
        'In other words',
      ]);
      expect(await said('1')).toEqual(['a warning', 'an error', 'In other words']);
      expect(await said('2')).toEqual(['an error', 'In other words']);
      expect(await said('3')).toEqual(['In other words']);
    },
  );

  it('says which library is missing', { timeout: 60_000 }, async () => {
    const headers = createRequire(import.meta.url)('node-api-headers') as { include_dir: string };
    const output = join(root, 'tfjs_binding.node');
    await run('g++', [
      '-std=c++17',
      '-shared',
      '-fPIC',
      '-DNAPI_VERSION=8',
      `-I${headers.include_dir}`,
      loader,
      '-ldl',
      '-o',
      output,
    ]);
    expect(() => createRequire(import.meta.url)(output) as unknown).toThrow(
      /tfjs_binding_tensorflow\.so: cannot open shared object file/u,
    );
  });
});
