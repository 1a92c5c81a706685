// A whole dashboard, from its file and a Prometheus: ?board=authentication&from=…&to=…&theme=dark

import { ThemeContext, createTheme, dateTime } from '@grafana/data';
import { GlobalStyles, Icon, PanelChrome } from '@grafana/ui';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { alertsIn, framesFor } from './data.js';
import { drawerOf } from './panels.jsx';

const MARGIN = 16;
const GAP = 8;
const CELL = 30;

const asked = new URLSearchParams(location.search);
const seconds = { from: Number(asked.get('from')), to: Number(asked.get('to')) };
const from = dateTime(seconds.from * 1000);
const to = dateTime(seconds.to * 1000);
const range = { from, to, raw: { from, to } };
const theme = createTheme({ colors: { mode: asked.get('theme') } });

const clock = (moment) => moment.utc().format('YYYY-MM-DD HH:mm');

function Panel({ panel, frames, alerts, place }) {
  const Drawer = drawerOf(panel);
  return (
    <div style={{ position: 'absolute', ...place }}>
      <PanelChrome
        width={place.width}
        height={place.height}
        title={panel.title}
        description={panel.description}
        padding={panel.type === 'table' ? 'none' : 'md'}
      >
        {(width, height) => (
          <Drawer panel={panel} frames={frames} alerts={alerts} range={range} theme={theme} width={width} height={height} />
        )}
      </PanelChrome>
    </div>
  );
}

function Pill({ label, value }) {
  const { colors, shape } = theme;
  return (
    <span style={{ display: 'inline-flex', height: 32, lineHeight: '30px', border: `1px solid ${colors.border.medium}`, borderRadius: shape.radius.default, overflow: 'hidden' }}>
      <span style={{ padding: '0 8px', background: colors.background.secondary, fontWeight: 500, fontSize: 12 }}>{label}</span>
      <span style={{ padding: '0 10px', background: colors.background.primary }}>{value}</span>
    </span>
  );
}

function Head({ board }) {
  const shown = board.templating.list.filter((one) => one.hide !== 2);
  const variables = shown.filter((one) => ['query', 'textbox'].includes(one.type) || one.query === 'prometheus');
  return (
    <div style={{ padding: `${MARGIN}px ${MARGIN}px 0`, display: 'flex', flexDirection: 'column', gap: 12 }}>
      <div style={{ display: 'flex', justifyContent: 'space-between', alignItems: 'center' }}>
        <span style={{ fontSize: 20, fontWeight: 500 }}>{board.title}</span>
        <Pill label={<Icon name="clock-nine" />} value={`${clock(from)} to ${clock(to)} UTC`} />
      </div>
      <div style={{ display: 'flex', gap: 8 }}>
        {variables.map((one) => (
          <Pill key={one.name} label={one.label} value={one.type === 'query' ? (one.includeAll ? 'All' : '…') : one.query} />
        ))}
        <span style={{ flex: 1 }} />
        {board.links.map((link) => (
          <Pill key={link.title} label={<Icon name={link.type === 'dashboards' ? 'apps' : 'file-alt'} />} value={link.title} />
        ))}
      </div>
    </div>
  );
}

function Row({ title, place }) {
  return (
    <div style={{ position: 'absolute', ...place, display: 'flex', alignItems: 'center', gap: 6 }}>
      <Icon name="angle-right" />
      <span style={{ fontSize: 16, fontWeight: 500 }}>{title}</span>
    </div>
  );
}

function Page({ board, width }) {
  const column = (width - 2 * MARGIN + GAP) / 24;
  const [drawn, setDrawn] = useState(null);
  const placeOf = ({ x, y, w, h }) => ({
    left: MARGIN + x * column,
    top: y * (CELL + GAP),
    width: w * column - GAP,
    height: h * (CELL + GAP) - GAP,
  });
  useEffect(() => {
    const load = async () => {
      // Big numbers are fitted by the width that their letters have.
      await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 14px Inter`)));
      const alerts = await alertsIn(board, seconds);
      const frames = await Promise.all(
        board.panels.map((panel) =>
          panel.targets ? framesFor(panel, board, seconds, Math.round(placeOf(panel.gridPos).width), theme) : []
        )
      );
      setDrawn({ alerts, frames });
    };
    load();
  }, []);
  useEffect(() => {
    if (drawn) {
      document.body.dataset.drawn = 'yes';
    }
  }, [drawn]);
  if (!drawn) {
    return null;
  }
  const bottom = Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  return (
    <>
      <Head board={board} />
      <div style={{ position: 'relative', marginTop: MARGIN, height: bottom * (CELL + GAP) + MARGIN - GAP }}>
        {board.panels.map((panel, place) =>
          panel.type === 'row' ? (
            <Row key={place} title={panel.title} place={placeOf(panel.gridPos)} />
          ) : (
            <Panel key={place} panel={panel} frames={drawn.frames[place]} alerts={drawn.alerts} place={placeOf(panel.gridPos)} />
          )
        )}
      </div>
    </>
  );
}

const board = await (await fetch(`/boards/${asked.get('board')}.json`)).json();
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <Page board={board} width={document.documentElement.clientWidth} />
  </ThemeContext.Provider>
);
