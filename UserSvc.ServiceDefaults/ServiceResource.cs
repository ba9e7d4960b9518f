using System.Reflection;
using Microsoft.Extensions.Configuration;
using OpenTelemetry.Resources;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// Who exports: the service, its build and its instance, and in Kubernetes its pod, from the variables <c>POD_NAME</c>,
/// <c>POD_NAMESPACE</c> and <c>NODE_NAME</c> where the manifest sets them.
/// </summary>
internal sealed class ServiceResource(string service, Instance instance, IConfiguration configuration) : IResourceDetector
{
    // The commit stays: releases are named by it, and 1.0.0 alone would be every build. All services have the version of this assembly,
    // which is built with them.
    private static readonly string Version =
        typeof(ServiceResource).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    public Resource Detect()
    {
        (string Attribute, string? Value)[] attributes =
        [
            ("service.name", service),
            ("service.version", Version),
            ("service.instance.id", instance.Name),
            ("k8s.pod.name", configuration["POD_NAME"]),
            ("k8s.namespace.name", configuration["POD_NAMESPACE"]),
            ("k8s.node.name", configuration["NODE_NAME"]),
        ];
        return new(attributes.Where(a => !string.IsNullOrEmpty(a.Value)).Select(a => KeyValuePair.Create(a.Attribute, (object)a.Value!)));
    }
}
