// From a panel's targets to data frames, as Grafana's Prometheus data source makes them.

import { FieldType, applyFieldOverrides, cacheFieldDisplayNames, toDataFrame, transformDataFrame } from '@grafana/data';
import { lastValueFrom } from 'rxjs';
import { DEFAULTS, registryOf } from './registry.js';

const SCRAPE = 15;
const STEPS = [15, 30, 60, 120, 300, 600, 900, 1800, 3600];

const duration = (seconds) => `${seconds}s`;

// The step that Grafana would take, and the variables that follow from it.
function timing(panel, range, width) {
  const points = panel.maxDataPoints ?? width;
  const least = panel.interval ? parseInt(panel.interval, 10) * (panel.interval.endsWith('m') ? 60 : 1) : SCRAPE;
  const wanted = Math.max((range.to - range.from) / points, least);
  const step = STEPS.find((one) => one >= wanted) ?? STEPS.at(-1);
  return {
    step,
    variables: {
      $__rate_interval: duration(Math.max(step + SCRAPE, 4 * SCRAPE)),
      $__interval: duration(step),
      $__interval_ms: String(step * 1000),
      $__range: duration(range.to - range.from),
      $__range_s: String(range.to - range.from),
    },
  };
}

// Everything is chosen.
export function choices(board) {
  return board.templating.list
    .filter((one) => one.type === 'query' || one.type === 'textbox')
    .map((one) => ['$' + one.name, one.allValue ?? one.query]);
}

function filledIn(expr, variables) {
  return Object.entries(variables)
    .sort(([one], [other]) => other.length - one.length)
    .reduce((text, [name, value]) => text.replaceAll(name, value), expr);
}

async function ask(path, fields) {
  const answer = await fetch(path, { method: 'POST', body: new URLSearchParams(fields) });
  const told = await answer.json();
  if (told.status !== 'success') {
    throw new Error(`${told.error} in ${fields.query}`);
  }
  return told.data.result;
}

const named = (legend, labels) => legend.replace(/{{\s*(\w+)\s*}}/g, (_, label) => labels[label] ?? '');
const number = (text) => (text === null ? null : Number(text));

function tableFrame(result, refId, alone) {
  const labels = [...new Set(result.flatMap((one) => Object.keys(one.metric)))].sort();
  if (!result.length) {
    return toDataFrame({ refId, fields: [] });
  }
  return toDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: result.map((one) => one.value[0] * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        config: { filterable: true },
        values: result.map((one) => one.metric[label] ?? ''),
      })),
      {
        name: alone ? 'Value' : `Value #${refId}`,
        type: FieldType.number,
        values: result.map((one) => number(one.value[1])),
      },
    ],
  });
}

function seriesFrame(one, target, points) {
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: points.map(([time]) => time * 1000) },
      {
        name: 'Value',
        type: FieldType.number,
        labels: one.metric,
        config: target.legendFormat ? { displayNameFromDS: named(target.legendFormat, one.metric) } : {},
        values: points.map(([, value]) => number(value)),
      },
    ],
  });
}

// A moment without a sample is a gap, not a line across it.
function withGaps(values, range, step) {
  const found = new Map(values.map(([time, value]) => [Math.round(time), value]));
  const points = [];
  for (let time = Math.ceil(range.from / step) * step; time <= range.to; time += step) {
    points.push([time, found.get(time) ?? null]);
  }
  return points;
}

async function framesOf(target, panel, range, timed, variables) {
  const query = filledIn(target.expr, variables);
  if (target.instant) {
    const result = await ask('/api/v1/query', { query, time: range.to });
    if (target.format === 'table') {
      return [tableFrame(result, target.refId, panel.targets.length === 1)];
    }
    return result.map((one) => seriesFrame(one, target, [one.value]));
  }
  const start = Math.ceil(range.from / timed.step) * timed.step;
  const result = await ask('/api/v1/query_range', { query, start, end: range.to, step: timed.step });
  result.sort((one, other) => JSON.stringify(one.metric).localeCompare(JSON.stringify(other.metric)));
  return result.map((one) => seriesFrame(one, target, withGaps(one.values, range, timed.step)));
}

export async function framesFor(panel, board, range, width, theme) {
  const timed = timing(panel, range, width);
  const variables = { ...Object.fromEntries(choices(board)), ...timed.variables };
  const frames = await Promise.all(panel.targets.map((one) => framesOf(one, panel, range, timed, variables)));
  const changed = await lastValueFrom(transformDataFrame(panel.transformations ?? [], frames.flat()));
  const own = DEFAULTS[panel.type] ?? {};
  const config = panel.fieldConfig ?? { defaults: {}, overrides: [] };
  const shown = applyFieldOverrides({
    data: changed,
    fieldConfig: {
      defaults: { ...own, ...config.defaults, custom: { ...own.custom, ...config.defaults.custom } },
      overrides: config.overrides ?? [],
    },
    fieldConfigRegistry: registryOf(panel.type),
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(shown);
  return shown;
}

export async function alertsIn(board, range) {
  const annotation = board.annotations.list.find((one) => one.expr);
  const query = filledIn(annotation.expr, Object.fromEntries(choices(board)));
  const found = await ask('/api/v1/query_range', { query, start: range.from, end: range.to, step: SCRAPE });
  return { color: annotation.iconColor, starts: found.map((one) => one.values[0][0] * 1000) };
}
