// Each kind of panel by the component that Grafana itself draws it with.

import { FieldType, getFieldDisplayValues, renderTextPanelMarkdown } from '@grafana/data';
import { BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

const same = (text) => text;
const isEmpty = (frames) => !frames.some((frame) => frame.fields.length && frame.length);

function Message({ text, width, height }) {
  return (
    <div style={{ width, height, display: 'flex', alignItems: 'center', justifyContent: 'center' }}>{text}</div>
  );
}

function Stat({ panel, frames, width, height, theme }) {
  const { options, fieldConfig } = panel;
  const getValues = () =>
    getFieldDisplayValues({
      data: frames,
      fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables: same,
      sparkline: options.graphMode !== 'none',
      theme,
      timeZone: 'utc',
    });
  const many = getValues().length;
  return (
    <VizRepeater
      getValues={getValues}
      getAlignmentFactors={() => ({ title: '', text: '' })}
      width={width}
      height={height}
      source={frames}
      orientation={options.orientation ?? 'auto'}
      autoGrid={true}
      itemSpacing={3}
      renderValue={({ value, width, height }) => (
        <BigValue
          value={value.display}
          count={many}
          sparkline={value.sparkline}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode ?? 'auto'}
          textMode={options.textMode ?? 'auto'}
          text={options.text}
          width={width}
          height={height}
          theme={theme}
        />
      )}
    />
  );
}

function Series({ panel, frames, width, height, theme, range, alerts }) {
  if (isEmpty(frames)) {
    return <Message text={panel.fieldConfig.defaults.noValue ?? 'No data'} width={width} height={height} />;
  }
  const mark = (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = theme.visualization.getColorByName(alerts.color);
    ctx.setLineDash([5, 5]);
    for (const time of alerts.starts) {
      const x = Math.round(plot.valToPos(time, 'x', true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - 5, bbox.top + bbox.height + 6);
      ctx.lineTo(x + 5, bbox.top + bbox.height + 6);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.fill();
    }
    ctx.restore();
  };
  return (
    <TimeSeries
      frames={frames}
      width={width}
      height={height}
      timeRange={range}
      timeZone="utc"
      legend={panel.options.legend}
    >
      {(builder) => {
        builder.addHook('draw', mark);
        return null;
      }}
    </TimeSeries>
  );
}

function Table({ panel, frames, width, height }) {
  if (isEmpty(frames)) {
    return <Message text={panel.fieldConfig.defaults.noValue ?? 'No data'} width={width} height={height} />;
  }
  // A link's cell looks like one; where it leads is not needed here.
  for (const field of frames[0].fields) {
    field.getLinks = () => (field.config.links ?? []).map((link) => ({ href: '#', title: link.title, origin: field }));
  }
  return (
    <TableNG
      data={frames[0]}
      width={width}
      height={height}
      noHeader={!(panel.options?.showHeader ?? true)}
      sortBy={panel.options?.sortBy}
      enableVirtualization={false}
      structureRev={1}
      timeRange={undefined}
    />
  );
}

function Text({ panel, width, height }) {
  const html = renderTextPanelMarkdown(panel.options.content);
  return (
    <div className="markdown-html" style={{ width, height }} dangerouslySetInnerHTML={{ __html: html }} />
  );
}

function StandIn({ panel, width, height }) {
  return <Message text={`A panel of the kind "${panel.type}": only Grafana itself draws it.`} width={width} height={height} />;
}

const KINDS = { stat: Stat, timeseries: Series, table: Table, text: Text };

export const drawerOf = (panel) => KINDS[panel.type] ?? StandIn;
