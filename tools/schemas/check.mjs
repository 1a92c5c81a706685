// Checks what is exported: JSON on standard input, {"resources": […], "logql": […]}. Prints a line
// for each fault; nothing if there is none.

import { parser } from '@grafana/lezer-logql';
import * as grafana from '@kubernetes-models/grafana-operator/grafana.integreatly.org/v1beta1';
import * as v1 from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as v1alpha1 from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1alpha1';

const VERSIONS = {
  'grafana.integreatly.org/v1beta1': grafana,
  'monitoring.coreos.com/v1': v1,
  'monitoring.coreos.com/v1alpha1': v1alpha1,
};

// The schemas let unknown fields pass: a validator reads those that it knows, and no others.
function watched(value, path, unread) {
  if (value === null || typeof value !== 'object') {
    return value;
  }
  const inner = {};
  for (const key of Object.keys(value)) {
    unread.add(`${path}/${key}`);
    inner[key] = watched(value[key], `${path}/${key}`, unread);
  }
  return new Proxy(Array.isArray(value) ? Object.values(inner) : inner, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      return target[key];
    },
  });
}

function faultsOf(resource) {
  const { apiVersion, kind, metadata, ...rest } = resource;
  const Model = VERSIONS[apiVersion]?.[kind];
  if (!Model) {
    return [`${apiVersion} ${kind}: no schema`];
  }
  const unread = new Set();
  // Assigned, as a constructor's argument is copied.
  const model = Object.assign(new Model({ metadata }), watched(rest, '', unread));
  try {
    model.validate();
  } catch (error) {
    return [`${kind} ${metadata.name}: ${error.message}`];
  }
  // Their generator takes a field of this name for the schema's own text.
  const unknown = [...unread].filter((path) => !path.endsWith('/description'));
  return unknown.map((path) => `${kind} ${metadata.name}: unknown field ${path}`);
}

// Lezer goes on after an error and marks it.
function faultsIn(query) {
  const faults = [];
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError) {
        faults.push(`at ${node.from} of: ${query}`);
      }
    },
  });
  return faults;
}

let text = '';
for await (const chunk of process.stdin) {
  text += chunk;
}
const { resources = [], logql = [] } = JSON.parse(text);
for (const fault of [...resources.flatMap(faultsOf), ...logql.flatMap(faultsIn)]) {
  console.log(fault);
}
