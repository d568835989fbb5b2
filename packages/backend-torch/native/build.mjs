// Builds the native binding with the system's C++ compiler: no gyp, no download.
//
// Runs at install. Without LibTorch or a compiler it leaves build/status.json, says one line, and exits 0:
// an engine that is missing must never break an install. POLYGATE_BUILD_STRICT=1 turns that into exit 1.
//
//   node native/build.mjs [--force] [--quiet] [--python venv/bin/python]
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { communicatorPlan } from './c10d/plan.mjs';
import { compileAddon } from './compile.mjs';
import { digestOf, keep, takeKept } from './kept-builds.mjs';

const native = dirname(fileURLToPath(import.meta.url));
const build = join(native, '..', 'build');
const addon = join(build, 'polygate_torch.node');
const communicator = join(build, 'polygate_c10d.node');
const statusFile = join(build, 'status.json');
const force = process.argv.includes('--force');
const quiet = process.argv.includes('--quiet');
/** A Python that was named is the only one asked; PYTHON of the environment may mean something else. */
const namedPython = process.argv.includes('--python')
  ? process.argv[process.argv.indexOf('--python') + 1]
  : undefined;

/** The command line's where it is installed, else this script: either works whether or not npm may run install scripts. */
const hasCommandLine = () => {
  try {
    return createRequire(import.meta.url).resolve('polygate/package.json') !== '';
  } catch {
    return false;
  }
};
const REBUILD = `run \`${hasCommandLine() ? 'npx polygate engines build torch' : `node ${join(native, 'build.mjs')}`}\``;
const INSTALL_LIBTORCH = `install LibTorch (Debian/Ubuntu: apt-get install libtorch-dev libopenblas0-pthread g++; or \`pip install torch\`, in a virtual environment named by PYTHON=venv/bin/python; or set POLYGATE_LIBTORCH to an unpacked libtorch), then ${REBUILD}`;
const INSTALL_COMPILER = `install a C++ compiler (Debian/Ubuntu: apt-get install g++), then ${REBUILD}`;

/** A reason not to build that the user can act upon. */
class Unavailable extends Error {
  constructor(code, message, remedy) {
    super(message);
    this.code = code;
    this.remedy = remedy;
  }
}

const say = (line) => {
  if (!quiet) process.stdout.write(`${line}\n`);
};

const writeStatus = (status) => {
  mkdirSync(build, { recursive: true });
  const temporary = `${statusFile}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(status, undefined, 2)}\n`);
  renameSync(temporary, statusFile);
};

const run = (command, args) =>
  execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
  }).trim();

const describeRoot = (source, root) => {
  const include = [join(root, 'include'), join(root, 'include/torch/csrc/api/include')];
  if (!existsSync(join(include[0], 'ATen/ATen.h'))) return undefined;
  const multiarch = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const library = [join(root, 'lib'), join(root, 'lib', multiarch)].find(
    (folder) => existsSync(join(folder, 'libtorch_cpu.so')) || existsSync(join(folder, 'libtorch_cpu.dylib')),
  );
  if (library === undefined) return undefined;
  return { source, root, include, library };
};

/** C++ standards, oldest first. LibTorch's headers refuse the older ones by the year they ask of `__cplusplus`. */
const standards = [
  { flag: '-std=c++17', year: 201703 },
  { flag: '-std=c++20', year: 202002 },
];

/** Standards to try, the one that the headers ask for first: ATen.h of 1.13 to 2.9 asks for 2014 or 2017, of today for 2020. */
const standardsFor = (libtorch) => {
  const header = readFileSync(join(libtorch.include[0], 'ATen/ATen.h'), 'utf8');
  const asked = [...header.matchAll(/__cplusplus\s*<\s*(\d{6})L/gu)].map((match) => Number(match[1]));
  const fit = standards.filter(({ year }) => year >= Math.max(0, ...asked));
  return (fit.length > 0 ? fit : standards.slice(-1)).map(({ flag }) => flag);
};

/** The new C++ ABI of libstdc++ unless this LibTorch was built with the old one. */
const abiOf = (libtorch) => {
  const config = join(libtorch.root, 'share/cmake/Torch/TorchConfig.cmake');
  if (!existsSync(config)) return undefined;
  return /_GLIBCXX_USE_CXX11_ABI=([01])/.exec(readFileSync(config, 'utf8'))?.[1];
};

const fromPython = () => {
  for (const python of namedPython
    ? [namedPython]
    : [process.env.PYTHON, 'python3', 'python'].filter(Boolean)) {
    try {
      const script =
        'import importlib.util as u, os; s = u.find_spec("torch"); print(os.path.dirname(s.origin) if s and s.origin else "")';
      const folder = run(python, ['-c', script]);
      if (folder === '') continue;
      const libtorch = describeRoot(`${python}'s torch`, folder);
      if (libtorch !== undefined) return libtorch;
    } catch {
      // No such interpreter: the next candidate may do.
    }
  }
  return undefined;
};

/** LibTorch by POLYGATE_LIBTORCH, then an importable Python torch, then Debian's package. */
const findLibTorch = () => {
  const named = process.env.POLYGATE_LIBTORCH;
  if (named === 'off')
    throw new Unavailable('switched-off', 'POLYGATE_LIBTORCH=off', 'unset POLYGATE_LIBTORCH');
  if (namedPython) {
    const libtorch = fromPython();
    if (libtorch === undefined) {
      throw new Unavailable(
        'libtorch-missing',
        `${namedPython} has no torch with headers and libraries`,
        `\`${namedPython} -m pip install torch\`, then ${REBUILD}`,
      );
    }
    return libtorch;
  }
  if (named) {
    const libtorch = describeRoot('POLYGATE_LIBTORCH', named);
    if (libtorch === undefined) {
      throw new Unavailable(
        'libtorch-missing',
        `POLYGATE_LIBTORCH is ${named}, but there is no include/ATen/ATen.h with lib/libtorch_cpu below it`,
        'point POLYGATE_LIBTORCH at the folder that holds include/ and lib/, or unset it',
      );
    }
    return libtorch;
  }
  const libtorch = fromPython() ?? describeRoot("Debian's libtorch-dev", '/usr');
  if (libtorch === undefined)
    throw new Unavailable('libtorch-missing', 'LibTorch was not found', INSTALL_LIBTORCH);
  return libtorch;
};

const findCompiler = () => {
  for (const compiler of [process.env.CXX, 'g++', 'c++', 'clang++'].filter(Boolean)) {
    try {
      return { command: compiler, version: run(compiler, ['--version']).split('\n')[0] };
    } catch {
      // Not installed under this name.
    }
  }
  throw new Unavailable('compiler-missing', 'no C++ compiler was found', INSTALL_COMPILER);
};

const headerFolders = () => {
  const require = createRequire(import.meta.url);
  return [require('node-api-headers').include_dir, require('node-addon-api').include_dir].map((folder) =>
    realpathSync(folder),
  );
};

const sourcesIn = (folder, extension) =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(extension))
        .sort()
        .map((name) => join(folder, name))
    : [];

/**
 * What a binding is made of: its files, the headers of Node, the library's version, the compiler and all flags. Not where
 * the package lies: two installs of one version have one key.
 */
const keyOf = ({ compiler, libtorch, tries, compileFlags, linkFlags, sources }) => {
  const hash = createHash('sha256');
  for (const file of sources) hash.update(relative(native, file)).update(readFileSync(file));
  const headers = headerFolders().flatMap((folder) => sourcesIn(folder, '.h'));
  for (const file of headers) hash.update(basename(file)).update(readFileSync(file));
  const versionHeader = join(libtorch.include[1], 'torch/version.h');
  hash.update(existsSync(versionHeader) ? readFileSync(versionHeader) : '');
  const flags = compileFlags.map((flag) =>
    flag.startsWith(`-I${native}`) ? `-I${relative(native, flag.slice(2))}` : flag,
  );
  const others = flags.filter((flag) => !headerFolders().some((folder) => flag === `-I${folder}`));
  hash.update(JSON.stringify([process.platform, process.arch, compiler, tries, others, linkFlags]));
  return hash.digest('hex');
};

const keyBy = (key, flag) => createHash('sha256').update(`${key} ${flag}`).digest('hex');

/** What the last build left; a file that was damaged says nothing. */
const previousStatus = () => {
  try {
    return JSON.parse(readFileSync(statusFile, 'utf8')) ?? undefined;
  } catch {
    return undefined;
  }
};

/** Whether an addon is the one that a status tells of: of this key, and whole. */
const isBuilt = (part, key, path) =>
  part?.state === 'built' && part.key === key && part.sha256 !== undefined && part.sha256 === digestOf(path);

/** Compiles the engine by the first standard that does, or takes one that was compiled so before. @returns its flag */
const compileEngine = async ({ key, compiler, libtorch, tries, compileFlags, linkFlags, sources }) => {
  mkdirSync(build, { recursive: true });
  const kept = force ? undefined : tries.find((flag) => takeKept(keyBy(key, flag), addon));
  if (kept !== undefined) return kept;
  const failures = [];
  for (const flag of tries) {
    try {
      await compileAddon({
        compiler,
        sources,
        prelude: ['ATen/ATen.h', 'torch/library.h'],
        compileFlags: [flag, ...compileFlags],
        linkFlags,
        output: addon,
      });
      keep(keyBy(key, flag), addon);
      return flag;
    } catch (error) {
      failures.push({ flag, log: `${error.stderr ?? error.message}` });
    }
  }
  const log = failures.map((failure) => `# ${compiler.command} ${failure.flag}\n${failure.log}`).join('\n');
  writeFileSync(join(build, 'compile.log'), log);
  throw new Unavailable(
    'compile-failed',
    `the binding did not compile against ${libtorch.source} (${libtorch.root}) by ${compiler.command} (${compiler.version}) with ${tries.join(', then ')}: ${firstError(failures.at(-1)?.log ?? '')}`,
    `read ${join(build, 'compile.log')}; LibTorch 1.13 to 2.15 are supported`,
  );
};

const firstError = (log) => log.split('\n').find((line) => /error/i.test(line)) ?? log.split('\n')[0];

/** The addon by which several processes train together. @returns its part of the status */
const buildCommunicator = async ({ previous, ...target }) => {
  const plan = communicatorPlan(target, native);
  const key = keyOf({ ...plan, sources: [...plan.sources, ...plan.headers] });
  const before = previous?.communicator;
  if (!force && isBuilt(before, key, communicator)) return before;
  rmSync(communicator, { force: true });
  try {
    if (plan.missing) throw new Error(plan.missing);
    const built = () => ({ state: 'built', key, sha256: digestOf(communicator) });
    if (!force && takeKept(key, communicator)) return built();
    const compileFlags = [plan.tries[0], ...plan.compileFlags];
    await compileAddon({ ...plan, compileFlags, prelude: [], output: communicator });
    keep(key, communicator);
    return built();
  } catch (error) {
    const log = `${error.stderr ?? error.message}`;
    writeFileSync(join(build, 'communicator.log'), log);
    return {
      state: 'unavailable',
      why: `the communicator did not compile against ${target.libtorch.source} (${target.libtorch.root}): ${firstError(log)}`,
      remedy: `read ${join(build, 'communicator.log')}, then ${REBUILD}; a LibTorch with c10d and Gloo is needed, such as Debian's libtorch-dev`,
    };
  }
};

const main = async () => {
  if (!['linux', 'darwin'].includes(process.platform)) {
    throw new Unavailable(
      'platform',
      `no build for ${process.platform}`,
      'use Linux or macOS, or another engine',
    );
  }
  const libtorch = findLibTorch();
  const compiler = findCompiler();
  const folders = [native, join(native, 'operators'), join(native, 'operators/avx2')];
  const sources = folders.flatMap((folder) => sourcesIn(folder, '.cc'));
  const headers = folders.flatMap((folder) => sourcesIn(folder, '.h'));
  const cuda = existsSync(join(libtorch.library, 'libtorch_cuda.so'));
  const abi = abiOf(libtorch);
  const compileFlags = [
    '-O3',
    '-fPIC',
    '-fvisibility=hidden',
    '-DNAPI_CPP_EXCEPTIONS',
    '-DNODE_GYP_MODULE_NAME=polygate_torch',
    ...(process.platform === 'linux' ? ['-fopenmp'] : []),
    ...(abi === undefined ? [] : [`-D_GLIBCXX_USE_CXX11_ABI=${abi}`]),
    ...headerFolders().map((folder) => `-I${folder}`),
    `-I${native}`,
    ...libtorch.include.filter((folder) => folder !== '/usr/include').map((folder) => `-isystem${folder}`),
  ];
  const linkFlags = [
    '-shared',
    ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-Wl,--no-as-needed']),
    `-L${libtorch.library}`,
    `-Wl,-rpath,${libtorch.library}`,
    '-ltorch',
    '-ltorch_cpu',
    ...(cuda ? ['-ltorch_cuda'] : []),
    '-lc10',
    ...(cuda && existsSync(join(libtorch.library, 'libc10_cuda.so')) ? ['-lc10_cuda'] : []),
  ];
  const tries = standardsFor(libtorch);
  const target = { compiler, libtorch, tries, compileFlags, linkFlags };
  const key = keyOf({ ...target, sources: [...sources, ...headers] });
  const previous = previousStatus();
  const isKept = !force && isBuilt(previous, key, addon);
  const status = isKept
    ? previous
    : {
        state: 'built',
        key,
        source: libtorch.source,
        root: libtorch.root,
        cuda,
        compiler: compiler.version,
        standard: await compileEngine({ ...target, key, sources }),
        sha256: digestOf(addon),
      };
  // The engine is of use alone: what becomes of the communicator is told beside it.
  const many = await buildCommunicator({ ...target, tries: [status.standard], previous });
  writeStatus({ ...status, communicator: many });
  say(
    isKept
      ? `torch engine: up to date (${libtorch.source})`
      : `torch engine: built against ${libtorch.source} (${libtorch.root})${cuda ? ', with CUDA' : ''}`,
  );
  if (many.state !== 'built') say(`c10d communicator: not built: ${many.why}; ${many.remedy}`);
};

try {
  await main();
} catch (error) {
  const isUnavailable = error instanceof Unavailable;
  const status = {
    state: 'unavailable',
    code: isUnavailable ? error.code : 'build-failed',
    why: error.message,
    remedy: isUnavailable
      ? error.remedy
      : 'run `node native/build.mjs --force` in the package and read its output',
  };
  try {
    // A torch that was named and isn't there says nothing against the binding that is.
    if (!(namedPython && status.code === 'libtorch-missing')) {
      rmSync(addon, { force: true });
      writeStatus(status);
    }
  } catch {
    // A read-only installation: the loader then reports that nothing was built.
  }
  process.stdout.write(`torch engine: not built: ${status.why}; ${status.remedy}\n`);
  if (process.env.POLYGATE_BUILD_STRICT === '1') process.exitCode = 1;
}
