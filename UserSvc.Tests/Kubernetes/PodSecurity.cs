using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

/// <summary>The <c>restricted</c> Pod Security Standard, of Linux pods. https://kubernetes.io/docs/concepts/security/pod-security-standards/</summary>
internal static class PodSecurity
{
    private static readonly string?[] AppArmorTypes = [null, "RuntimeDefault", "Localhost"];
    private static readonly string?[] SeLinuxTypes = [null, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
    private static readonly string?[] SeccompTypes = ["RuntimeDefault", "Localhost"];

    private static readonly string[] SafeSysctls =
    [
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    ];

    public static List<string> RestrictedViolations(V1PodSpec pod) =>
    [
        .. OfPod(pod),
        .. (pod.InitContainers ?? []).Concat(pod.Containers).SelectMany(container => OfContainer(pod.SecurityContext, container)),
    ];

    private static IEnumerable<string> OfPod(V1PodSpec pod)
    {
        foreach (var (field, set) in new[] { ("hostNetwork", pod.HostNetwork), ("hostPID", pod.HostPID), ("hostIPC", pod.HostIPC) })
        {
            if (set == true)
            {
                yield return field;
            }
        }

        foreach (var volume in pod.Volumes ?? [])
        {
            if (volume is { ConfigMap: null, Csi: null, DownwardAPI: null, EmptyDir: null, Ephemeral: null, PersistentVolumeClaim: null, Projected: null, Secret: null })
            {
                yield return $"volume {volume.Name}: of a type that is not allowed";
            }
        }

        foreach (var sysctl in pod.SecurityContext?.Sysctls ?? [])
        {
            if (!SafeSysctls.Contains(sysctl.Name))
            {
                yield return $"sysctl {sysctl.Name}";
            }
        }

        var (context, all) = (pod.SecurityContext, "pod");
        foreach (var violation in OfContext(all, context?.RunAsUser, context?.WindowsOptions, context?.AppArmorProfile, context?.SeLinuxOptions, context?.SeccompProfile))
        {
            yield return violation;
        }
    }

    private static IEnumerable<string> OfContainer(V1PodSecurityContext? pod, V1Container container)
    {
        var own = container.SecurityContext;
        foreach (var violation in OfContext(container.Name, own?.RunAsUser, own?.WindowsOptions, own?.AppArmorProfile, own?.SeLinuxOptions, own?.SeccompProfile))
        {
            yield return violation;
        }

        (bool Broken, string Rule)[] rules =
        [
            (own?.Privileged == true, "privileged"),
            (own?.AllowPrivilegeEscalation != false, "allowPrivilegeEscalation is not false"),
            (!(own?.RunAsNonRoot ?? pod?.RunAsNonRoot ?? false), "runAsNonRoot is not true"),
            (!SeccompTypes.Contains((own?.SeccompProfile ?? pod?.SeccompProfile)?.Type), "seccompProfile is neither RuntimeDefault nor Localhost"),
            (own?.Capabilities?.Drop?.Contains("ALL") != true, "capabilities: ALL are not dropped"),
            (own?.Capabilities?.Add?.Any(c => c != "NET_BIND_SERVICE") == true, "capabilities: others than NET_BIND_SERVICE are added"),
            (own?.ProcMount is not (null or "Default"), "procMount"),
            (container.Ports?.Any(p => p.HostPort is > 0) == true, "hostPort"),
            (Hosts(container).Any(host => !string.IsNullOrEmpty(host)), "a probe or lifecycle hook has a host"),
        ];
        foreach (var (_, rule) in rules.Where(r => r.Broken))
        {
            yield return $"{container.Name}: {rule}";
        }
    }

    private static IEnumerable<string> OfContext(
        string name, long? user, V1WindowsSecurityContextOptions? windows, V1AppArmorProfile? appArmor, V1SELinuxOptions? seLinux, V1SeccompProfile? seccomp)
    {
        (bool Broken, string Rule)[] rules =
        [
            (user == 0, "runAsUser is 0"),
            (windows?.HostProcess == true, "hostProcess"),
            (!AppArmorTypes.Contains(appArmor?.Type), "appArmorProfile"),
            (!SeLinuxTypes.Contains(seLinux?.Type) || !string.IsNullOrEmpty(seLinux?.User) || !string.IsNullOrEmpty(seLinux?.Role), "seLinuxOptions"),
            (seccomp?.Type == "Unconfined", "seccompProfile is Unconfined"),
        ];
        return rules.Where(r => r.Broken).Select(r => $"{name}: {r.Rule}");
    }

    private static IEnumerable<string?> Hosts(V1Container container)
    {
        foreach (var probe in new[] { container.StartupProbe, container.LivenessProbe, container.ReadinessProbe })
        {
            yield return probe?.HttpGet?.Host;
            yield return probe?.TcpSocket?.Host;
        }

        foreach (var hook in new[] { container.Lifecycle?.PostStart, container.Lifecycle?.PreStop })
        {
            yield return hook?.HttpGet?.Host;
            yield return hook?.TcpSocket?.Host;
        }
    }
}
