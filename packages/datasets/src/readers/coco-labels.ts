/** Labels of whole images from annotations of COCO: the category of an image whose annotations have one and the same. */
import { excerpt } from '@polygate/core';
import { ClassFinder, labelName } from '../samples/class-names.ts';
import { isJsonFields } from '../samples/json-captions.ts';

/** An image's label, or why it has none. */
export type CocoLabel = { readonly label: number } | { readonly code: string; readonly reason: string };

export interface CocoLabels {
  /** Names of the categories that occur. */
  readonly classes: readonly string[];
  labelOf(imageId: string): CocoLabel;
}

const NONE: CocoLabel = {
  code: 'no-label',
  reason: 'expected annotations with a category_id of the list "categories", got none',
};

/**
 * Collects the categories of all images.
 * @param idText the text of an exact id, undefined for others
 */
export const collectCocoLabels = (
  document: Readonly<Record<'annotations' | 'categories', readonly unknown[]>>,
  idText: (value: unknown) => string | undefined,
  what: string,
): CocoLabels => {
  const names = new Map<string, string>();
  for (const category of document.categories) {
    const id = isJsonFields(category) ? idText(category['id']) : undefined;
    const name = isJsonFields(category) ? labelName(category['name']) : undefined;
    if (id !== undefined && name !== undefined) names.set(id, name);
  }
  const classFinder = new ClassFinder(what);
  const byImage = new Map<string, Set<string>>();
  for (const annotation of document.annotations) {
    if (!isJsonFields(annotation)) continue;
    const name = names.get(idText(annotation['category_id']) ?? '');
    const image = idText(annotation['image_id']);
    if (name === undefined || image === undefined) continue;
    const shown = byImage.get(image) ?? new Set();
    byImage.set(image, shown.add(name));
  }
  for (const shown of byImage.values()) if (shown.size === 1) for (const name of shown) classFinder.add(name);
  const classes = classFinder.classes();
  const labels = new Map(classes.map((name, label) => [name, label]));
  return {
    classes,
    labelOf(imageId) {
      const shown = [...(byImage.get(imageId) ?? [])];
      if (shown.length === 0) return NONE;
      if (shown.length > 1)
        return {
          code: 'several-labels',
          reason: `expected annotations of one category, got ${excerpt(shown)}: boxes of several are no label of the image`,
        };
      const label = labels.get(shown[0] ?? '');
      return label === undefined ? NONE : { label };
    },
  };
};
