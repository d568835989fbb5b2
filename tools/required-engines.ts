/** Set-up of every run of the tests: none begins without the engines that POLYGATE_REQUIRE_ENGINES names. */
export const setup = async (): Promise<void> => {
  if (!process.env['POLYGATE_REQUIRE_ENGINES']) return;
  const { requireTestEngines } = await import('@polygate/tensor/testing');
  const { probeEngines } = await import('@polygate/tensor');
  requireTestEngines(await probeEngines());
};
