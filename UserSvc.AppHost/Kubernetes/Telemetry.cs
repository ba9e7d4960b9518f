namespace UserSvc.AppHost.Kubernetes;

internal static class Telemetry
{
    public static readonly string Enabled = Helm.Path(values => values.Telemetry.OtlpEndpoint);

    public static void Add(Dictionary<string, string> settings) =>
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = Helm.Quoted(values => values.Telemetry.OtlpEndpoint).If(Enabled);
}
