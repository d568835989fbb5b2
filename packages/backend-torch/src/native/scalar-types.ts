import type { DataType } from '@tensorflow/tfjs';

/** LibTorch's numbers of the element types that this engine stores (c10::ScalarType). */
export const ScalarType = Object.freeze({
  uint8: 0,
  int32: 3,
  int64: 4,
  float32: 6,
  float64: 7,
  complex64: 9,
  bool: 11,
  bfloat16: 15,
});
export type ScalarType = (typeof ScalarType)[keyof typeof ScalarType];

/** How each tfjs dtype is stored unless a kernel chose bf16 behind a float32 tensor. Strings stay on the host. */
export const storageTypeOf = (dtype: DataType): ScalarType => {
  switch (dtype) {
    case 'float32':
      return ScalarType.float32;
    case 'int32':
      return ScalarType.int32;
    case 'bool':
      return ScalarType.bool;
    case 'complex64':
      return ScalarType.complex64;
    case 'string':
      throw new TypeError('string tensors have no LibTorch storage');
    default:
      return dtype satisfies never;
  }
};
