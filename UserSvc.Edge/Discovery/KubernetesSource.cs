using System.Net;
using System.Runtime.ExceptionServices;
using k8s;
using k8s.Autorest;
using k8s.Models;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// Lists a Service's EndpointSlices, then watches them. A watch that ends or breaks resumes from the last version it saw; if that version is
/// too old (410), and after any failure, it starts with a new list. An empty list is a fact here, not a failure: the Service is scaled to
/// zero, and other pods may soon have its addresses.
/// </summary>
internal sealed partial class KubernetesSource(string address, KubernetesAddress service, KubernetesConnection connection, DiscoverySettings settings)
    : DiscoverySource(address, settings)
{
    // A Deployment's change is one event for each slice it touches. Applied together, an endpoint that moves between slices is never missing.
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(20);

    // A watch that ended sooner has failed. One that lasted longer is renewed at once.
    private static readonly TimeSpan MinWatch = TimeSpan.FromSeconds(1);

    private readonly string _namespace = service.Namespace ?? connection.Namespace;
    private bool _named;

    public override string Scheme => service.Scheme;

    public override string Host => $"{service.Service}.{_namespace}.svc";

    private string Selector => $"kubernetes.io/service-name={service.Service}";

    protected override async Task<TimeSpan> RefreshAsync(CancellationToken cancellationToken)
    {
        using var client = connection.Open();
        try
        {
            var list = await ListAsync(client, cancellationToken);
            var slices = (list.Items ?? []).ToDictionary(s => s.Name());
            var version = list.Metadata.ResourceVersion;
            Publish(slices);
            Watching = true;
            while (true)
            {
                var opened = Time.GetTimestamp();
                Exception? cut = null;
                try
                {
                    await WatchAsync(client, slices, version, seen => version = seen, cancellationToken);
                }
                catch (Exception e) when (e is IOException || e.InnerException is IOException)
                {
                    // The client also throws this when a watch ends without an event.
                    cut = e;
                }

                if (Time.GetElapsedTime(opened) < MinWatch)
                {
                    throw new IOException("the API server ended a watch at once", cut);
                }
            }
        }
        catch (KubernetesException gone) when (gone.Status?.Code == (int)HttpStatusCode.Gone)
        {
            return MinWatch;
        }
        catch (HttpOperationException refused)
        {
            return refused.Response.StatusCode == HttpStatusCode.Gone
                ? MinWatch
                : throw new HttpRequestException($"the API server answered {(int)refused.Response.StatusCode}: {refused.Response.Content}");
        }
    }

    private async Task<V1EndpointSliceList> ListAsync(Kubernetes client, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Options.Kubernetes.Timeout, Time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        return await client.DiscoveryV1.ListNamespacedEndpointSliceAsync(_namespace, labelSelector: Selector, cancellationToken: deadline.Token);
    }

    private async Task WatchAsync(
        Kubernetes client, Dictionary<string, V1EndpointSlice> slices, string version, Action<string> seen, CancellationToken cancellationToken)
    {
        // The API server ends the watch itself; this is for a server that died silently.
        using var limit = new CancellationTokenSource(Options.Kubernetes.WatchTimeout + Options.Kubernetes.Timeout, Time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        await using var events = client.DiscoveryV1.WatchListNamespacedEndpointSliceAsync(
            _namespace,
            allowWatchBookmarks: true,
            labelSelector: Selector,
            resourceVersion: version,
            timeoutSeconds: Math.Max(1, (int)Options.Kubernetes.WatchTimeout.TotalSeconds),
            // An ERROR event, such as 410, or a malformed line: by default the client would skip it.
            onError: e => ExceptionDispatchInfo.Throw(e),
            cancellationToken: deadline.Token).GetAsyncEnumerator(deadline.Token);
        Task? window = null;
        var next = events.MoveNextAsync().AsTask();
        try
        {
            for (; ; next = events.MoveNextAsync().AsTask())
            {
                if (window is not null && await Task.WhenAny(window, next) == window)
                {
                    window = null;
                    Publish(slices);
                }

                if (!await next)
                {
                    return;
                }

                var (type, slice) = events.Current;
                seen(slice.ResourceVersion());
                if (type == WatchEventType.Bookmark)
                {
                    continue;
                }

                if (type == WatchEventType.Deleted)
                {
                    slices.Remove(slice.Name());
                }
                else
                {
                    slices[slice.Name()] = slice;
                }

                window ??= Task.Delay(Window, Time, deadline.Token);
            }
        }
        finally
        {
            // An iterator must not be disposed while it moves.
            await deadline.CancelAsync();
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (window is not null && !cancellationToken.IsCancellationRequested)
            {
                Publish(slices);
            }
        }
    }

    private void Publish(Dictionary<string, V1EndpointSlice> slices)
    {
        if (!_named && slices.Values.Any(s => s.AddressType == "FQDN"))
        {
            _named = true;
            LogNamed(Logger, Address);
        }

        Publish(EndpointSlices.ToEndpoints(slices.Values, service.Port));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Discovery: {Source} has an EndpointSlice of type FQDN, which is ignored")]
    private static partial void LogNamed(ILogger logger, string source);
}
