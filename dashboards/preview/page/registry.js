// What Grafana registers at its start, as far as the dashboards use it: transformations, and the
// properties that defaults and overrides of a field may set.

import {
  FieldConfigOptionsRegistry,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
} from '@grafana/data';

standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: () => Promise.resolve(transformation),
  }))
);

const STANDARD = ['unit', 'decimals', 'min', 'max', 'displayName', 'noValue', 'color', 'thresholds', 'mappings', 'links'];
const CUSTOM = {
  table: ['width', 'minWidth', 'align', 'cellOptions', 'filterable', 'inspect', 'hidden'],
  timeseries: [
    'drawStyle', 'lineWidth', 'lineInterpolation', 'lineStyle', 'fillOpacity', 'gradientMode', 'showPoints', 'pointSize',
    'spanNulls', 'insertNulls', 'stacking', 'axisPlacement', 'axisLabel', 'axisSoftMax', 'barAlignment', 'barWidthFactor',
    'scaleDistribution', 'hideFrom',
  ],
};

const property = (id, isCustom) => ({
  id: isCustom ? `custom.${id}` : id,
  path: id,
  name: id,
  isCustom,
  process: identityOverrideProcessor,
  shouldApply: () => true,
});

export const registryOf = (kind) =>
  new FieldConfigOptionsRegistry(() => [
    ...STANDARD.map((id) => property(id, false)),
    ...(CUSTOM[kind] ?? []).map((id) => property(id, true)),
  ]);

// The defaults of Grafana's own panel plugins.
export const DEFAULTS = {
  stat: { color: { mode: 'thresholds' } },
  table: {
    color: { mode: 'thresholds' },
    thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'text' }] },
    custom: { align: 'auto', cellOptions: { type: 'auto' } },
  },
  timeseries: {
    color: { mode: 'palette-classic' },
    custom: {
      drawStyle: 'line',
      lineInterpolation: 'linear',
      lineWidth: 1,
      fillOpacity: 0,
      gradientMode: 'none',
      showPoints: 'auto',
      pointSize: 5,
      spanNulls: false,
      insertNulls: false,
      stacking: { mode: 'none', group: 'A' },
      axisPlacement: 'auto',
      barAlignment: 0,
      barWidthFactor: 0.6,
      scaleDistribution: { type: 'linear' },
      hideFrom: { legend: false, tooltip: false, viz: false },
    },
  },
};
