/** The TensorFlow that a Python can import: its headers and libraries are what the binding is built against. */
import { EngineError, excerpt, parseJson } from '@polygate/core';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A TensorFlow as pip installs it. */
export interface PythonTensorflow {
  readonly python: string;
  readonly version: string;
  /** The package's folder, with `include/` and the libraries. */
  readonly root: string;
  readonly include: string;
  /** File names of the libraries in `root`, in the order in which they are linked. */
  readonly libraries: readonly string[];
  /** Whether it was compiled for CUDA; whether a GPU is there shows when it starts. */
  readonly cuda: boolean;
}

/** Oldest version that the binding was tried with: 2.<this>. */
const OLDEST_MINOR = 16;

const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;

/** Enough for a cold disk; nothing is imported. */
const PYTHON_TIMEOUT = 60_000;

/** Prints where TensorFlow is without importing it, which would take seconds. */
const script = `
import importlib.util, importlib.metadata, json, os, re
found = importlib.util.find_spec("tensorflow")
root = os.path.dirname(found.origin) if found and found.origin else None
version, cuda = None, False
for name in ("tensorflow", "tensorflow-cpu", "tensorflow-aarch64", "tf-nightly", "tf-nightly-cpu"):
    try:
        version = importlib.metadata.version(name)
        break
    except importlib.metadata.PackageNotFoundError:
        pass
if root:
    info = os.path.join(root, "python", "platform", "build_info.py")
    if os.path.exists(info):
        with open(info, encoding="utf8") as file:
            cuda = re.search(r"is_cuda_build'?\\W+True", file.read()) is not None
print(json.dumps({"root": root, "version": version, "cuda": cuda}))
`;

interface Answer {
  readonly root: string | null;
  readonly version: string | null;
  readonly cuda: boolean;
}

const installRemedy = (cuda: boolean): string =>
  `make one: python3 -m venv venv && venv/bin/pip install ${cuda ? 'tensorflow[and-cuda]' : 'tensorflow-cpu'}; then name its Python: PYTHON=venv/bin/python`;

const ask = async (python: string): Promise<Answer | { readonly failure: string }> => {
  try {
    const { stdout } = await run(python, ['-c', script], { timeout: PYTHON_TIMEOUT });
    return parseJson(stdout.trim(), `the answer of ${python}`) as Answer;
  } catch (cause) {
    const { code, stderr } = cause as { code?: unknown; stderr?: string };
    if (code === 'ENOENT' || code === 'EACCES') return { failure: 'there is no such program' };
    const last = stderr?.trim().split('\n').at(-1);
    return { failure: excerpt(last || (cause instanceof Error ? cause.message : String(cause)), 200) };
  }
};

const checked = (python: string, { root, version, cuda }: Answer & { root: string }): PythonTensorflow => {
  const fail = (expected: string, got: string, remedy: string): never => {
    throw new EngineError(`${python}: expected ${expected}, got ${got}; ${remedy}`, {
      code: 'tensorflow-unusable',
      fields: { python, root, version, remedy },
    });
  };
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (major !== 2 || minor < OLDEST_MINOR) {
    fail(
      `TensorFlow 2.${OLDEST_MINOR} or later`,
      `${version ?? 'one of unknown version'} in ${root}`,
      'pip install --upgrade tensorflow-cpu',
    );
  }
  const include = join(root, 'include');
  const files = ['include/tensorflow/c/eager/c_api.h', ...LIBRARIES];
  const missing = files.filter((file) => !existsSync(join(root, file)));
  if (missing.length > 0) {
    fail(
      `${files.join(', ')} in ${root}`,
      `no ${missing.join(', no ')}`,
      'install the wheel of Linux: pip install --force-reinstall tensorflow-cpu',
    );
  }
  return { python, version: version as string, root, include, libraries: LIBRARIES, cuda };
};

/**
 * Finds TensorFlow.
 * @param named the one Python that is asked, such as `venv/bin/python`; without it `python3`, then `python`
 * @param cuda whether a TensorFlow with CUDA is wanted
 * @throws EngineError with code `tensorflow-missing` or `tensorflow-unusable`, which says what was expected, what came
 * and the remedy
 */
export const findPythonTensorflow = async (
  named: string | undefined,
  { cuda }: { readonly cuda: boolean },
): Promise<PythonTensorflow> => {
  const failures: string[] = [];
  for (const python of named ? [named] : ['python3', 'python']) {
    const answer = await ask(python);
    if ('failure' in answer) {
      failures.push(`${python}: ${answer.failure}`);
      continue;
    }
    const { root } = answer;
    if (root === null) {
      failures.push(`${python}: it has no TensorFlow`);
      continue;
    }
    const library = checked(python, { ...answer, root });
    if (cuda && !library.cuda) {
      throw new EngineError(
        `${python}: expected a TensorFlow with CUDA for tfjs-node-gpu, got ${library.version} for the CPU alone; ${installRemedy(true)}`,
        { code: 'tensorflow-unusable', fields: { python, remedy: installRemedy(true) } },
      );
    }
    return library;
  }
  throw new EngineError(
    `expected a Python with TensorFlow, got ${failures.join(', ')}; ${installRemedy(cuda)}`,
    { code: 'tensorflow-missing', fields: { remedy: installRemedy(cuda) } },
  );
};
