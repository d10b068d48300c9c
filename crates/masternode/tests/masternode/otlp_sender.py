"""Sends metrics of every kind with OpenTelemetry's own SDK: otlp_sender.py URL"""

import sys

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource

NAMES = {
    "service.name": "shop",
    "service.namespace": "eu",
    "service.instance.id": "i-1",
    "deployment.environment": "test",
}


def send(url, compression, **how):
    exporter = OTLPMetricExporter(endpoint=url, compression=compression, **how)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider(resource=Resource.create(NAMES), metric_readers=[reader])
    meter = provider.get_meter("test")
    meter.create_counter("requests", unit="1", description="Requests served.").add(3, {"http.method": "GET"})
    meter.create_up_down_counter("queue.length", unit="{items}").add(-2)
    meter.create_observable_gauge("disk.used", [lambda _: [Observation(0.25)]], unit="1")
    latency = meter.create_histogram(
        "request.duration", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1]
    )
    for seconds in (0.05, 0.5, 5):
        latency.record(seconds)
    sent = provider.force_flush()
    provider.shutdown()
    return sent


def main():
    url = sys.argv[1]
    assert send(url, Compression.Gzip)
    # What has no place: sums since the last point, and computed buckets.
    send(
        url,
        Compression.NoCompression,
        preferred_temporality={Counter: AggregationTemporality.DELTA},
        preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()},
    )


main()
