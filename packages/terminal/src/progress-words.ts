/** The words of a progress report. */
import type { ProgressReport } from '@polygate/core';

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/** `1:02:03` or `02:03`; `--:--` while unknown. */
export const formatSeconds = (seconds: number): string => {
  if (!Number.isFinite(seconds) || seconds < 0) return '--:--';
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const rest = `${twoDigits(Math.floor(whole / 60) % 60)}:${twoDigits(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
};

/** Three significant digits, thousands as k and millions as M. */
export const formatRate = (rate: number): string => {
  if (rate >= 1e6) return `${(rate / 1e6).toPrecision(3)}M`;
  if (rate >= 1e3) return `${(rate / 1e3).toPrecision(3)}k`;
  return rate >= 100 ? rate.toFixed(0) : rate.toPrecision(3);
};

/** The report in words, as both displays show it. */
export const describeReport = (report: ProgressReport): string => {
  const losses = Object.entries(report.losses).map(([task, loss]) => `${task} ${loss.toFixed(3)}`);
  const tokens = report.tokensPerSecond > 0 ? [`${formatRate(report.tokensPerSecond)} tokens/s`] : [];
  return [
    `step ${report.step}/${report.steps}`,
    ...(losses.length > 0 ? [`loss ${losses.join(', ')}`] : []),
    ...(report.samplesPerSecond > 0 ? [`${formatRate(report.samplesPerSecond)} samples/s`] : []),
    ...tokens,
    `ETA ${formatSeconds(report.secondsLeft)}`,
  ].join(' | ');
};
